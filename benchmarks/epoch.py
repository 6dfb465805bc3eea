"""What an epoch of training costs: a loop by hand, train.py, and Lightning over a Dataset.

    python benchmarks/epoch.py --root DIR                 # times and ratios
    python benchmarks/epoch.py --root DIR --batch-size 64
    python benchmarks/epoch.py --root DIR --memory        # resident memory above the data's own bytes
    python benchmarks/epoch.py --startup                  # from the command to the first step, on the digits

MNIST, 60,000 × 784, an encoder 784–1000 with tied weights and the contraction penalty, Adam. All three do the
same steps; they take turns, and the median of their rounds counts. ``DIR`` holds ``MNIST/raw``.
"""

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from hand import by_hand

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))
SHAPE = (1, 28, 28)
HIDDEN, LAM = 1000, 0.1
# All but six examples train, so that every candidate takes as many steps.
MNIST = ["data=mnist", "data.val_fraction=0.0001", f"model.hidden=[{HIDDEN}]", f"model.lam={LAM}"]


def by_train_py(*overrides: str) -> float:
    """Seconds for the last epoch's steps of a run of train.py in this process, logging on."""
    from clock import EPOCHS

    from train import main

    with tempfile.TemporaryDirectory() as directory:
        clock = "+callbacks.clock._target_=clock.Clock"
        sys.argv = ["train.py", *overrides, clock, f"hydra.run.dir={directory}/run"]
        with contextlib.redirect_stdout(io.StringIO()):
            main()
    return EPOCHS[-1]


def by_dataset(root: str, batch_size: int) -> float:
    """Seconds for one epoch's steps of Lightning over torchvision's MNIST, picture by picture."""
    from clock import EPOCHS, Clock
    from lightning import Trainer
    from torch.utils.data import DataLoader
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    from contractive import ContractiveAutoencoder

    loader = DataLoader(MNIST(root, transform=ToTensor()), batch_size, shuffle=True)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, callbacks=[Clock()], **quiet)  # type: ignore[arg-type]
    trainer.fit(ContractiveAutoencoder(SHAPE, hidden=[HIDDEN], lam=LAM), loader)
    return EPOCHS[-1]


def times(root: str, batch_size: int, rounds: int) -> None:
    """Print the seconds of an epoch for each candidate, and their ratios."""
    from contractive.training.datamodule import DataModule

    data = DataModule("mnist", root=root, download=False, val_fraction=0.0001)
    data.setup("fit")
    x = data.examples("train", 60_000)[0]
    run = [*MNIST, f"data.root={root}", f"data.batch_size={batch_size}", "trainer.max_epochs=1"]
    candidates = {
        "(a) by hand": lambda: by_hand(x, batch_size, HIDDEN, 1, LAM),
        "(b) train.py": lambda: by_train_py(*run),
        "(c) Dataset, ToTensor": lambda: by_dataset(root, batch_size),
    }
    by_hand(x, batch_size, HIDDEN, 1, LAM)  # warm up
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            seconds[name].append(candidate())
    print(f"\nbatch {batch_size}, {rounds} rounds, {torch.get_num_threads()} threads")
    for name, taken in seconds.items():
        ratio = median(b / a for a, b in zip(seconds["(a) by hand"], taken, strict=True))
        spread = f"{min(taken):.2f} to {max(taken):.2f}"
        print(f"{name:24} {median(taken):6.2f} s ({spread})   {ratio:.3f} of (a)")


def memory(root: str) -> None:
    """Print how much more memory train.py occupies on MNIST than with everything imported."""
    from clock import RESIDENT, resident

    by_train_py("trainer.max_epochs=1", "model.hidden=[1000]")  # on the digits; imports what there is
    before = resident()
    RESIDENT.clear()
    by_train_py(*MNIST, f"data.root={root}", "trainer.max_epochs=2")
    stored = 70_000 * 784
    weights = 4 * (784 * 1000 + 1784) * 4  # parameters, gradients and Adam's two moments
    print(f"\nbefore {before / 2**20:.0f} MiB; above that, beside {stored / 2**20:.0f} MiB of stored data:")
    for name, bytes_ in {
        "with the data in memory": RESIDENT[0] - before,
        "after two epochs": RESIDENT[-1] - before,
        "the same without weights, gradients, Adam": RESIDENT[-1] - before - weights,
    }.items():
        print(f"{name:42} {bytes_ / 2**20:6.0f} MiB   {bytes_ / stored:.2f} of the stored data")


def startup(rounds: int) -> None:
    """Print the time from the command to the end of the first step, beside that of the imports alone."""
    with tempfile.TemporaryDirectory() as directory:
        leave = "+callbacks.leave._target_=clock.LeaveAfterFirstStep"
        commands = {
            "import torch, lightning": ["-c", "import torch, lightning"],
            "first step": ["train.py", leave, f"hydra.run.dir={directory}/run"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                start = time.perf_counter()
                paths = f"{REPOSITORY / 'src'}:{REPOSITORY / 'benchmarks'}"
                subprocess.run(
                    ["env", f"PYTHONPATH={paths}", sys.executable, *command], cwd=REPOSITORY, check=True
                )
                seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        print(f"{name:24} {median(taken):6.2f} s ({min(taken):.2f} to {max(taken):.2f})")
    imports, first = seconds.values()
    print(f"ratio {median(b / a for a, b in zip(imports, first, strict=True)):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default="data", help="the folder that holds MNIST/raw")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--startup", action="store_true")
    arguments = parser.parse_args()
    if arguments.startup:
        startup(arguments.rounds)
    elif arguments.memory:
        memory(arguments.root)
    else:
        times(arguments.root, arguments.batch_size, arguments.rounds)
