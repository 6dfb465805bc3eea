"""Train a contractive autoencoder: ``python train.py --help`` says how."""

if __name__ == "__main__":
    from contractive.commands.program import main as program

    program("train")
else:
    from contractive.commands.train import main

    __all__ = ["main"]
