"""One run, from its configuration to its directory."""

import json
import logging
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning import Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf

from contractive.runs.checkpoints import read_checkpoint
from contractive.training.callbacks.checkpoints import carry_over_best
from contractive.training.datamodule import DataModule
from contractive.training.module import ContractiveAutoencoder

COMPARED = (
    "model.lam",
    "model.hidden",
    "model.activation",
    "model.reconstruction",
    "optimizer.lr",
    "data.source",
    "seed",
)


@dataclass(frozen=True)
class Run:
    """What a run came to."""

    directory: Path
    metrics: dict[str, float]
    epochs: int


def fit(config: DictConfig, *, directory: Path) -> Run:
    """Train, test the best epoch, and leave the run's files in ``directory``.

    Args:
        config: the composed configuration.
        directory: where the run is written.

    Raises:
        ValueError, FileNotFoundError: if the data or the checkpoint to resume from are not as they should be.
        NonFiniteLossError: if a term of the loss becomes NaN or infinite.
    """
    start = time.monotonic()
    # Batches are gathered from memory: worker processes would only copy them once more.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    named = [str(name) for name in config if name not in ("callbacks", "logger", "hydra")]
    settings: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, named), resolve=True)
    seed_everything(settings["seed"], verbose=False)
    data = DataModule(**settings["data"], seed=settings["seed"])
    data.prepare_data()
    data.setup("fit")
    if settings["model"]["reconstruction"] == "cross_entropy":
        data.check_unit_interval()
    model = ContractiveAutoencoder(
        input_shape=data.input_shape,
        scaled=data.scaler is not None,
        **settings["model"],
        optimizer=settings["optimizer"],
    )
    if model.scaler is not None and data.scaler is not None:
        model.scaler.load_state_dict(data.scaler.state_dict())
    if settings["ckpt_path"] is not None:
        check_resumable(model, Path(settings["ckpt_path"]), settings["trainer"]["max_epochs"], directory)

    trainer = Trainer(
        **settings["trainer"],
        default_root_dir=directory,
        callbacks=_built(config.callbacks, directory),
        logger=_built(config.logger, directory),
    )
    # Lightning has torch ask the driver's management library for GPUs, so as not to spoil a later fork. Adam
    # asks at every step, and nothing forks from here on.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            text = OmegaConf.to_yaml(config).replace("\n", "\n    ")
            logger.experiment.add_text("config", f"    {text}")
    trainer.fit(model, datamodule=data, ckpt_path=settings["ckpt_path"], weights_only=True)
    epochs = trainer.current_epoch

    best = read_checkpoint(directory / "checkpoints" / "best.ckpt")
    model.load_state_dict(best["state_dict"])
    metrics: dict[str, float] = {}
    for evaluate in (trainer.validate, trainer.test):
        (figures,) = evaluate(model, datamodule=data, verbose=False)
        metrics |= figures
    metrics |= {"epochs": epochs, "best_epoch": best["epoch"] + 1, "seconds": time.monotonic() - start}
    if trainer.is_global_zero:
        _write_json(directory / "metrics.json", metrics)
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            figures = {name: value for name, value in metrics.items() if name.startswith("test/")}
            logger.log_hyperparams(compared_settings(settings), figures, step=trainer.global_step)
            logger.finalize("success")
    return Run(directory, metrics, epochs)


def check_resumable(model: ContractiveAutoencoder, path: Path, max_epochs: int, directory: Path) -> None:
    """Check that a checkpoint fits the model and that there is something left to do.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if it is unreadable, was made by another model, or is as far as the run is to go.
    """
    checkpoint = read_checkpoint(path)
    saved, configured = dict(checkpoint["hyper_parameters"]), dict(model.hparams)
    shapes = {name: tensor.shape for name, tensor in checkpoint["state_dict"].items()}
    if shapes != {name: tensor.shape for name, tensor in model.state_dict().items()}:
        names = [n for n in configured if saved.get(n) != configured[n] and n not in ("optimizer", "penalty")]
        differences = ", ".join(f"{name}={saved.get(name)} (here {configured[name]})" for name in names)
        raise ValueError(f"ckpt_path: the checkpoint {str(path)!r} is of another model: {differences}")
    if checkpoint["epoch"] + 1 >= max_epochs:
        raise ValueError(
            f"ckpt_path: {str(path)!r} has already been trained for {checkpoint['epoch'] + 1} epochs:"
            f" ask for more than trainer.max_epochs={max_epochs}"
        )
    # Losses compare only where the objective is the same.
    if all(saved.get(name) == configured[name] for name in ("lam", "reconstruction")):
        carry_over_best(path, directory)


def _built(nodes: Any, directory: Path) -> list[Any]:
    """What a group of the configuration describes, told where the run is written."""
    checkpoints = directory / "checkpoints"
    where = {
        "BestCheckpoint": {"dirpath": checkpoints},
        "LastCheckpoint": {"dirpath": checkpoints},
        "SaveOnInterrupt": {"path": checkpoints / "last.ckpt"},
        "TensorBoardLogger": {"save_dir": directory},
        "CSVLogger": {"save_dir": directory},
    }
    return [
        instantiate(node, **where.get(node["_target_"].rsplit(".", 1)[-1], {})) for node in nodes.values()
    ]


def _write_json(path: Path, content: dict[str, float]) -> None:
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)


def compared_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings by which TensorBoard's HParams tab compares runs: the usual ones and those overridden.

    All of them would bury the few that differ.
    """
    flat = _flat(settings)
    overridden = [override.split("=")[0].lstrip("+") for override in HydraConfig.get().overrides.task]
    return {key: flat[key] for key in (*COMPARED, *overridden) if key in flat}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
