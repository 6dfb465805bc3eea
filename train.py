"""Train a contractive autoencoder: ``python train.py --help`` says how."""

from contractive.commands.train import main, main_or_one_line

__all__ = ["main"]

if __name__ == "__main__":
    main_or_one_line()
