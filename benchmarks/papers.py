"""The papers' tables on MNIST: encoders trained without labels, then fine-tuned, and their test error.

    python benchmarks/papers.py --root DIR                            # all rows, three seeds
    python benchmarks/papers.py --root DIR --rows CAE AE --seeds 0    # these, with one
    python benchmarks/papers.py --root DIR --budget-minutes 60        # begins no run after that
    python benchmarks/papers.py --root DIR --heads trainer.precision=bf16-mixed  # of every head besides
    python benchmarks/papers.py --table                               # what is finished, as a table

``DIR`` holds ``MNIST/raw``. Runs lie in ``outputs/papers``; rows share their encoders, and all rows of one
seed come before those of the next. The same command takes up what was stopped: what is finished stays, what
is half done goes on. ``--table`` prints the tables of ``results/papers.md``, with the commands.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from threading import Lock

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

SEEDS = (0, 1, 2)

#: Encoders by name; one whose name ends in " on X" is trained on the codes of X.
ENCODERS = {
    "AE": ["experiment=mnist_ae"],
    "AE+wd": ["experiment=mnist_ae_decay"],
    "DAE-b": ["experiment=mnist_dae_masking"],
    "DAE-g": ["experiment=mnist_dae_gaussian"],
    "CAE": ["experiment=mnist_cae"],
    "CAE+H": ["experiment=mnist_cae_h"],
    "AE, longer": ["experiment=mnist_ae", "trainer.max_epochs=60"],
    "CAE, longer": ["experiment=mnist_cae", "trainer.max_epochs=60"],
    # Once all is chosen, the validation pictures but for 3,000 are there to learn from.
    "CAE 57000 pictures": ["experiment=mnist_cae", "data.val_fraction=0.05"],
    # The splits are those of the codes' run.
    "CAE+H on CAE+H": [
        *("experiment=mnist_paper", "data=codes", "model.lam=1", "model.lam_hessian=0.1"),
        *("trainer.max_epochs=20", "probe=none", "callbacks=minimal"),
    ],
}
#: Where the head stands on the pixels.
PIXELS = ["data=mnist", "data.val_fraction=0.16666667", "head.on=inputs"]


@dataclass(frozen=True)
class Row:
    """A row of the tables.

    Args:
        encoder: the name of what is fine-tuned; ``None``: nothing, the head stands on the pixels.
        experiment: how.
        published: test error in per cent, of such a row in the papers, as remembered.
        settings: what is set besides.
    """

    encoder: str | None
    experiment: str = "mnist_head"
    published: float | None = None
    settings: Sequence[str] = ()


# Where so many pictures have a label: what is published of a plain network and a CAE, and how ours train.
MORE = ["head.lam=1", "head.radius=1.5"]
FEW = {
    100: ({"pixels": 25.8, "CAE": 13.5}, []),
    600: ({"pixels": 11.4, "CAE": 6.3}, MORE),
    1000: ({"pixels": 10.7, "CAE": 4.8}, MORE),
    3000: ({"pixels": 6.0, "CAE": 3.2}, [*MORE, "trainer.max_epochs=8"]),
}
# Of a head on an encoder that was trained for longer: two and a half times the epochs, and more dropout.
LONGER = ["trainer.max_epochs=60", "head.dropout=0.6"]
ROWS = {
    "AE": Row("AE", published=1.78),
    "AE+wd": Row("AE+wd", published=1.68),
    "DAE-b": Row("DAE-b", published=1.57),
    "DAE-g": Row("DAE-g", published=1.18),
    "CAE": Row("CAE", published=1.14),
    "CAE+H": Row("CAE+H"),
    "AE, longer": Row("AE, longer", published=1.78, settings=LONGER),
    "CAE, longer": Row("CAE, longer", published=1.14, settings=LONGER),
    "CAE+H on CAE+H": Row("CAE+H on CAE+H"),
    "CAE, tangents": Row("CAE", "mnist_tangents", 0.81),
    "CAE, adversarial": Row("CAE", "mnist_adversarial"),
    "CAE 57000 pictures, adversarial": Row("CAE 57000 pictures", "mnist_adversarial"),
    "pixels": Row(None, published=1.05),
    "pixels, adversarial": Row(None, "mnist_adversarial", 0.64),
    **{
        f"{name}, {n} labels": Row(
            encoder, "mnist_few_labels", published[name], [f"data.labels={n}", *settings]
        )
        for name, encoder in (("pixels", None), ("CAE", "CAE"))
        for n, (published, settings) in FEW.items()
    },
}


@dataclass(frozen=True)
class Stage:
    """One run: its directory, and the command that makes it."""

    directory: Path
    command: list[str]

    @property
    def metrics(self) -> dict[str, float]:
        """Its figures, once it is finished."""
        path = self.directory / "metrics.json"
        found: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
        return found


def stages(row: str, seed: int, outputs: Path, root: str, heads: Sequence[str] = ()) -> list[Stage]:
    """The runs of a row, one after the other: of its encoders, from the input upwards, and of its head, for
    which the settings ``heads`` are given besides."""
    given, name = ROWS[row], ""
    made: list[Stage] = []
    runs: list[Path] = []
    for layer in reversed(given.encoder.split(" on ") if given.encoder else ()):
        name = f"{layer} on {name}" if name else layer
        directory = _directory(outputs, "encoders", name, seed)
        data = [f"data.run={runs[-1]}"] if runs else [f"data.root={root}"]
        made.append(Stage(directory, ["train.py", *ENCODERS[name], *data, f"seed={seed}"]))
        runs.append(directory)
    encoder = str(runs[0]) if len(runs) == 1 else f"[{','.join(map(str, runs))}]"
    below = [f"encoder={encoder}"] if runs else [*PIXELS, f"data.root={root}"]
    settings = [*given.settings, *heads, "data.batch_size=128", f"seed={seed}"]
    head = ["finetune.py", f"experiment={given.experiment}", *below, *settings]
    return [*made, Stage(_directory(outputs, "heads", row, seed), head)]


def _directory(outputs: Path, kind: str, name: str, seed: int) -> Path:
    return outputs / kind / name.replace(", ", "_").replace(" ", "_") / str(seed)


LOCKS: dict[Path, Lock] = {}


def carry_out(chain: Sequence[Stage], threads: int, until: float) -> None:
    """Run what of a chain of stages is not finished; rows may share some of them."""
    for stage in chain:
        with LOCKS.setdefault(stage.directory, Lock()):
            if stage.metrics:
                continue
            if time.monotonic() > until:
                return
            begun = (stage.directory / "checkpoints" / "last.ckpt").is_file()
            again = [stage.command[0], f"resume={stage.directory}"]
            first = [*stage.command, f"hydra.run.dir={stage.directory}"]
            command = [sys.executable, *(again if begun else first)]
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            done = subprocess.run(
                command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()[-1:]
                print(f"{stage.directory}: exit code {done.returncode}: {''.join(said)}", flush=True)
                return
            metrics = stage.metrics
            figures = ", ".join(
                f"{n} {metrics[n]:.2f}" for n in ("val/error", "test/error", "seconds") if n in metrics
            )
            print(
                f"{time.strftime('%H:%M')} {stage.directory.relative_to(REPOSITORY)}: {figures}", flush=True
            )


@cache  # rows share their encoders
def of_code(encoders: tuple[Path, ...], root: str) -> tuple[float, float]:
    """Mean Jacobian norm, and saturation of the code in per cent, over the test pictures."""
    import torch

    from contractive import DataModule
    from contractive.diagnostics.spectrum import jacobian_norms
    from contractive.diagnostics.units import saturation
    from contractive.training.encoders import trained_encoder

    model = trained_encoder(encoders)
    data = DataModule("mnist", root=root, batch_size=500)
    data.setup("test")
    with torch.no_grad():
        batches = [model.scale(batch[0]) for batch in data.test_dataloader()]
        norms = torch.cat([jacobian_norms(model.encoder, x) for x in batches])
        codes = torch.cat([model.encoder(x) for x in batches])
    return norms.mean().item(), 100 * saturation(codes).item()


def table(outputs: Path, root: str, heads: Sequence[str]) -> None:
    """Print what is finished."""
    print("| row | test error | published | validation error | ‖J‖ | saturation | minutes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, row in ROWS.items():
        chains = [stages(name, seed, outputs, root) for seed in SEEDS]
        chains = [chain for chain in chains if all(stage.metrics for stage in chain)]
        if not chains:
            continue
        encoders = [tuple(stage.directory for stage in chain[:-1]) for chain in chains]
        codes = [of_code(runs, root) for runs in encoders if runs]
        figures = [chain[-1].metrics for chain in chains]
        taken = [sum(stage.metrics["seconds"] for stage in chain) / 60 for chain in chains]
        cells = [
            name,
            spread([head["test/error"] for head in figures]),
            "" if row.published is None else f"{row.published:.2f}",
            spread([head["val/error"] for head in figures]),
            f"{mean(norm for norm, _ in codes):.2f}" if codes else "",
            f"{mean(share for _, share in codes):.0f}" if codes else "",
            f"{mean(taken):.0f}",
        ]
        print(f"| {' | '.join(cells)} |")
    print("\nThe commands of seed 0:\n")
    said = dict.fromkeys(
        f"    python {shlex.join([*stage.command, f'hydra.run.dir={stage.directory}'])}"
        for name in ROWS
        for stage in stages(name, 0, Path("outputs/papers"), "DIR", heads)
    )
    print("\n".join(said))


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, and of how many where that is not all seeds."""
    several = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    few = "" if len(values) == len(SEEDS) else f" ({len(values)} of {len(SEEDS)} seeds)"
    return f"{mean(values):.2f}{several}{few}"


def main() -> None:
    """Run the rows that the command line names, or print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default="data", help="the folder that holds MNIST/raw")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--heads", nargs="+", default=[], metavar="SETTING", help="of every head besides")
    parser.add_argument("--budget-minutes", type=float, default=float("inf"))
    parser.add_argument(
        "--jobs", type=int, default=1, help="how many rows at once, each on its share of cores"
    )
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    outputs, root = REPOSITORY / "outputs" / "papers", str(Path(asked.root).absolute())
    if asked.table:
        table(outputs, root, asked.heads)
        return
    until = time.monotonic() + 60 * asked.budget_minutes
    threads = max(1, (os.cpu_count() or 1) // asked.jobs)
    chains = [stages(row, seed, outputs, root, asked.heads) for seed in asked.seeds for row in asked.rows]
    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(lambda chain: carry_out(chain, threads, until), chains))


if __name__ == "__main__":
    main()
