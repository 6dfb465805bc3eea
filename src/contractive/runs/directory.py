"""The directories of runs: claiming a new one, and finding those that are there."""

import errno
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

# What lies in the directory of a run, beside what its other files are called by those who write them.
SETTINGS = ".hydra/config.yaml"
OVERRIDES = ".hydra/overrides.yaml"
FOLDER = "checkpoints"
LAST = f"{FOLDER}/last.ckpt"
FIRST = "CONTRACTIVE_FIRST_PROCESS"  # its id, in the environment of those that it starts
# What makes a directory that of a run: any of these lies in it.
MARKS = {".hydra", "metrics.json", "error.txt", "curves.csv"}


def unused_directory(path: str) -> str:
    """Make a directory that nobody else has and return its name: ``path``, or ``path-1``, ``path-2``, …

    Making it is what claims it, so that two runs that start in the same second never share one.

    Raises:
        OSError: if it cannot be made.
        ValueError: if others of the same run choose one at the same time, as under torchrun or SLURM.
    """
    several = [name for name in ("WORLD_SIZE", "SLURM_NTASKS") if os.environ.get(name, "1") != "1"]
    if several and {"RANK", "SLURM_PROCID"} & set(os.environ):
        said = f"{several[0]}={os.environ[several[0]]} processes would each choose a directory of their own"
        raise ValueError(f"hydra.run.dir: {said}: name one for all, hydra.run.dir=DIRECTORY")
    candidate, number = Path(path), 0
    while True:
        try:
            candidate.mkdir(parents=True)
            return str(candidate)
        except FileExistsError:
            if not candidate.is_dir():
                raise
        number += 1
        candidate = Path(f"{path}-{number}")


def is_first_process() -> bool:
    """Whether this is the only process of a run, or the first that torchrun, SLURM or Lightning started."""
    ranks = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return next((rank for rank in ranks if rank is not None), "0") == "0"


def started_by() -> int | None:
    """The id of the first process of a run, if that started this one for Lightning."""
    first = os.environ.get(FIRST)
    return None if first is None or os.environ.get("LOCAL_RANK", "0") == "0" else int(first)


@contextmanager
def only_run_in(directory: Path) -> Iterator[None]:
    """Hold the directory of a run, which is made if need be, so that no other run writes to it meanwhile.

    Whoever holds it already may hold it once more. The operating system lets go of what a process held that
    has died. Of several processes that train together the first one holds it for all.

    Raises:
        BlockingIOError: if another run holds it.
        OSError: if it cannot be made or written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not is_first_process():
        yield
        return
    lock = FileLock(directory / ".lock", timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        said = f"another run is under way in {str(directory)!r}"
        raise BlockingIOError(f"{said}: wait for it to end, or choose another directory") from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        log.warning("%s cannot be locked (%s): let no other run write to it", directory, error.strerror)
    try:
        yield
    finally:
        if lock.lock_counter == 1:  # while it is held: whoever waits for it looks again
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def command_to_resume(run: Path, *beside: str) -> str:
    """What goes on with a run when it is pasted into a shell, whatever its directory is called."""
    # A script of the user's own, or a notebook, does not read arguments.
    program = ["python", sys.argv[0]] if Path(sys.argv[0]).name == "train.py" else ["contractive", "train"]
    path = run.relative_to(Path.cwd()) if run.is_relative_to(Path.cwd()) else run
    return shlex.join([*program, f"resume={path}", *beside])


def find_runs(directory: Path) -> list[Path]:
    """The directories of runs in ``directory``, or itself if it is one, in the order of their job numbers."""
    found = []
    for folder, folders, files in os.walk(directory):
        if not MARKS.isdisjoint((*folders, *files)):
            folders.clear()  # runs do not lie in runs
            found.append(Path(folder))
    return sorted(found, key=lambda path: [_natural(part) for part in path.parts])


def _natural(part: str) -> tuple[int, str]:
    number = re.match(r"\d+", part)
    return (int(number[0]), part[number.end() :]) if number else (-1, part)
