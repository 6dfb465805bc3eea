"""Train a head on the encoder of a run: ``python finetune.py encoder=RUN``."""

from contractive.commands.program import main

if __name__ == "__main__":
    main("finetune")
