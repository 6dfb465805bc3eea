"""Kills runs at random moments, resumes them, and compares them with the same run never stopped.

    python benchmarks/crash.py --root DIR                  # 100 runs of all kinds; DIR holds MNIST/raw
    python benchmarks/crash.py --trials 20 --kinds digits probes

Compared bit for bit: weights, state of the optimiser and the schedule, the best checkpoint, all figures and
curves. Exit code 1 if anything differs. Every run is forked from a process that has imported everything, and
has its TMPDIR on another file system, where there is one.
"""

import argparse
import contextlib
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.plugins import Plugins

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

COMPARED = ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step", "history", "progress")
KILLS = {  # the signals that a run gets, one after the other
    "SIGKILL": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "SIGINT": [signal.SIGINT],
    "SIGHUP": [signal.SIGHUP],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
}
DRAWN = [
    f"+callbacks.{name}.{often}"
    for name in ("pictures", "geometry")
    for often in ("every_n_epochs=1", "most_percent=100")
]
MODULES = (  # all that a run imports on its way
    *(f"contractive.training.callbacks.{name}" for name in ("charts", "geometry", "pictures", "tangents")),
    *("contractive.training.callbacks.projector", "contractive.training.fitting", "contractive.report"),
    *("contractive.commands.train", "torch.utils.tensorboard", "torchvision.utils", "rich.progress"),
    "sklearn.datasets",
)
SMALL = ["callbacks=minimal", "logger=none", "~callbacks.progress"]


@dataclass
class Outcome:
    """How one process ended."""

    code: int  # 0, or what a shell would call it
    seconds: float
    output: str


def kinds(folder: Path, root: str) -> dict[str, list[str]]:
    """The runs, by what they are about."""
    stored = folder / "stored.npy"
    np.save(stored, np.random.default_rng(0).random((6000, 64), dtype=np.float32))
    few = [
        "probe=none",
        "trainer.limit_train_batches=20",
        "trainer.limit_test_batches=2",
        "data.batch_size=500",
    ]
    larger = [f"data.path={stored}", "data.in_memory_mib=1", "trainer.max_epochs=3"]
    stochastic = ["model/penalty=hutchinson", "model/corruption=masking", "model.lam_warmup_epochs=2"]
    plateau = ["scheduler=plateau", "scheduler.patience=0", "trainer.max_epochs=12"]
    return {
        "digits": ["model.hidden=[32]", "trainer.max_epochs=6", *DRAWN],
        "mnist": [*SMALL, "data=mnist", f"data.root={root}", "trainer.max_epochs=4", *few],
        "stored": [*SMALL, "data=array", *larger],
        "probes": [*SMALL, *stochastic, *plateau, "probe=none"],
        "sweep": ["-m", *SMALL, "model.lam=0,0.1,1", "model.hidden=[16]", "trainer.max_epochs=4"],
    }


def run(
    arguments: list[str], log: Path, kill: list[signal.Signals] | None = None, after: float = 0.0
) -> Outcome:
    """``python train.py …`` in a fork of this process, killed after so many seconds."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_train_py(arguments, log)
    for number in kill or []:
        while time.monotonic() - start < after and not _has_ended(child):
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
        after += 0.02
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    return Outcome(
        128 - code if code < 0 else code, time.monotonic() - start, log.read_text(errors="replace")
    )


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _be_train_py(arguments: list[str], log: Path) -> None:
    from contractive.commands.program import main as program

    code = 70
    try:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        shared = Path("/dev/shm")
        tempfile.tempdir = None
        os.environ["TMPDIR"] = str(shared if shared.is_dir() else tempfile.gettempdir())
        sys.argv = ["train.py", *arguments]
        program("train")
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
        print(left.code, file=sys.stderr)
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def differences(a: Any, b: Any, name: str = "") -> list[str]:
    """Where two nested values differ, to the last bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.dtype == b.dtype and torch.equal(a, b)
    elif isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = dict.fromkeys((*a, *b))
        return [d for key in keys for d in differences(a.get(key), b.get(key), f"{name}.{key}")]
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{name}[{i}]")]
    else:
        same = a == b
    return [] if same else [name]


def content(directory: Path) -> dict[str, Any]:
    """All of a finished run, or of the runs of a sweep, that must not depend on whether it was stopped."""
    found: dict[str, Any] = {}
    for metrics in directory.rglob("metrics.json"):
        run, name = metrics.parent, str(metrics.parent.relative_to(directory))
        figures = json.loads(metrics.read_text())
        del figures["seconds"]
        curves = (run / "curves.csv").read_text()
        found[name] = {"metrics": figures, "curves": curves}
        for which in ("last", "best"):
            checkpoint = torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True)
            found[name][which] = {key: checkpoint[key] for key in COMPARED}
    left = (path for pattern in (".*.tmp*", "*.next") for path in directory.rglob(pattern))
    return found | {"unfinished files": sorted(path.name for path in left)}


def trial(
    name: str, arguments: list[str], whole: dict[str, Any], seconds: float, folder: Path, seed: str
) -> str:
    """Kill a run, once or twice, and resume it; what is wrong then, empty if nothing is."""
    folder.mkdir()
    directory, log, draw = folder / "run", folder / "log", random.Random(seed)
    sweeps = "-m" in arguments
    where = f"hydra.{'sweep' if sweeps else 'run'}.dir={directory}"
    begun = [*arguments, where, f"save_every_seconds={seconds / 30:.3f}"]
    story = []
    for kill in [*draw.choices(list(KILLS), k=draw.choice((1, 1, 2))), ""]:
        taken_up = not sweeps and (directory / ".hydra" / "config.yaml").is_file()
        after = draw.uniform(0.1, 1.0) * seconds
        ended = run([f"resume={directory}"] if taken_up else begun, log, KILLS.get(kill), after)
        story.append(f"{kill} after {after:.2f} s, exit {ended.code}" if kill else f"exit {ended.code}")
        if ended.code == 0:
            wrong = differences(whole, content(directory))
            return f"{name}: {'; '.join(story)}: differs in {', '.join(wrong)}" if wrong else ""
        if not kill or ended.code != 128 + KILLS[kill][0]:
            break
    return f"{name}: {'; '.join(story)}: {ended.output[-1500:]}"


def main() -> int:
    """Print a table; 1 if a run differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default="data", help="the folder that holds MNIST/raw")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--kinds", nargs="+", default=[])
    parser.add_argument("--epochs", type=int, help="instead of those of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for module in MODULES:
        import_module(module)
    Plugins.instance()  # imports them
    gc.freeze()  # a fork that looks through what is there already would copy all of it
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs = kinds(folder, str(Path(asked.root).absolute()))
        chosen = asked.kinds or list(runs)
        for number, name in enumerate(chosen):
            arguments = [*runs[name], *([f"trainer.max_epochs={asked.epochs}"] if asked.epochs else [])]
            directory = folder / f"{name}-whole"
            where = (f"hydra.{mode}.dir={directory}" for mode in ("run", "sweep"))
            ended = run([*arguments, *where], folder / "log")
            if ended.code:
                print(ended.output)
                return 1
            whole = content(directory)
            # Forked, so that each has everything imported.
            with ProcessPoolExecutor(asked.jobs, get_context("fork")) as pool:
                numbers = range(number, asked.trials, len(chosen))
                folders = [folder / f"{name}-{i}" for i in numbers]
                seeds = [f"{asked.seed} {name} {i}" for i in numbers]
                attempt = partial(trial, name, arguments, whole, ended.seconds)
                wrong = [said for said in pool.map(attempt, folders, seeds) if said]
            said = f"{len(seeds) - len(wrong)} of {len(seeds)} as if never stopped"
            print(f"{name:10} {ended.seconds:5.1f} s whole   {said}", *wrong, sep="\n    ", flush=True)
            failed += wrong
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
