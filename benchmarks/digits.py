"""What a run on the digits costs: a loop by hand, the transformer, train.py without and with pictures.

    python benchmarks/digits.py                        # 100 epochs, 5 rounds
    python benchmarks/digits.py --epochs 50 --rounds 3

1,437 × 64, an encoder 64–256 with tied weights and the contraction penalty, Adam, batches of 64: 23 steps an
epoch. All do the same steps in this process, whose imports are not counted; they take turns, and the median
of the ratios within a round counts. Seconds are those of the clock and, in brackets, of the processor, which
other work on the machine disturbs less.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from hand import LR, by_hand
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
BATCH, HIDDEN, LAM = 64, 256, 0.01


def by_transformer(x: Tensor, epochs: int) -> None:
    """The scikit-learn transformer."""
    from contractive.sklearn import ContractiveTransformer

    transformer = ContractiveTransformer(
        (HIDDEN,), LAM, lr=LR, batch_size=BATCH, scaling="none", max_epochs=epochs, random_state=0
    )
    transformer.fit(x.flatten(1).numpy())


def by_train_py(*overrides: str) -> None:
    """A whole run of train.py."""
    from train import main

    with tempfile.TemporaryDirectory() as directory:
        own = [
            f"model.hidden=[{HIDDEN}]",
            f"model.lam={LAM}",
            f"optimizer.lr={LR}",
            f"data.batch_size={BATCH}",
        ]
        sys.argv = ["train.py", *own, *overrides, "trainer.accelerator=cpu", f"hydra.run.dir={directory}/run"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main()


def timed(candidate: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    candidate()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    epochs = arguments.epochs

    from contractive import DataModule

    data = DataModule("digits", batch_size=BATCH)
    data.setup("fit")
    x = data.split("train").x
    length = f"trainer.max_epochs={epochs}"
    candidates: dict[str, Callable[[], object]] = {
        "by hand": lambda: by_hand(x, BATCH, HIDDEN, epochs, LAM),
        "ContractiveTransformer": lambda: by_transformer(x, epochs),
        "train.py callbacks=minimal": lambda: by_train_py(length, "callbacks=minimal"),
        "train.py": lambda: by_train_py(length),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    by_train_py("trainer.max_epochs=1")  # imports what there is
    by_transformer(x, 1)
    by_hand(x, BATCH, HIDDEN, 1, LAM)
    for _ in range(arguments.rounds):
        for name, candidate in candidates.items():
            taken[name].append(timed(candidate))
    print(f"\n{epochs} epochs, {arguments.rounds} rounds, {torch.get_num_threads()} threads")
    for name, seconds in taken.items():
        ratios = [
            median(own[which] / base[which] for own, base in zip(seconds, taken["by hand"], strict=True))
            for which in (0, 1)
        ]
        clock, processor = (median(each) for each in zip(*seconds))
        print(f"{name:28} {clock:6.2f} s ({processor:.2f})   {ratios[0]:.2f} ({ratios[1]:.2f}) of by hand")


if __name__ == "__main__":
    main()
