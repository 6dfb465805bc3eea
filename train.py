"""Train a contractive autoencoder: ``python train.py --help`` says how."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from contractive.commands.train import CONFIG_DIR, main_or_one_line, run_job


def train(config: DictConfig, directory: Path) -> float:
    # Torch and Lightning take seconds to import: only once the configuration is known to be valid.
    from contractive.training import fit

    return fit(config, directory=directory).metrics[config.optimized_metric]


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def main(config: DictConfig) -> float:
    return run_job(config, train)


if __name__ == "__main__":
    main_or_one_line(main)
