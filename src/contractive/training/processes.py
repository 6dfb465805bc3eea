"""The processes of a run that train together: when one ends, none waits for it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from lightning import Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import Tensor

from contractive.runs.directory import FIRST, started_by
from contractive.training.signals import SIGNALS, Interrupted, Signals

LOOK = 0.2  # seconds between two looks at the others
GRACE = 5.0  # seconds for a process to leave by itself, once another one has ended


@contextmanager
def together(trainer: Trainer, signals: Signals) -> Iterator[None]:
    """See to it that the processes that Lightning starts for a run end together.

    A signal that ends one of them ends all, and the first leaves with the exit code of that signal. If one
    dies, the first raises ``ChildProcessError``. Whoever still waits for the others then, in code that no
    exception reaches, is ended after ``GRACE`` seconds. What others started, as torchrun or SLURM do, is
    theirs to end.

    Raises:
        ChildProcessError: naming the process that died.
    """
    launcher, first = trainer.strategy.launcher, started_by()
    others: _Others
    if isinstance(launcher, _SubprocessScriptLauncher) and "LOCAL_RANK" not in os.environ:
        os.environ[FIRST] = str(os.getpid())
        others = _Started(launcher, signals)
    elif first is not None:
        others = _First(first)
    else:
        yield
        _part()
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(others, over), daemon=True, name="processes").start()
    try:
        yield
        _part()
    except RuntimeError as error:
        # What torch makes of another's end comes before the news of it.
        lost = others.lost_within(1.0)
        others.end()
        if lost is None:
            raise
        if number := _signal_of(lost[1]):
            raise Interrupted(number) from None
        raise ChildProcessError(_told(*lost)) from error
    except BaseException:
        others.end()
        raise
    finally:
        over.set()


def _part() -> None:
    """End what connects the processes, once nothing is left to tell: torch's threads for it would otherwise
    be there when the interpreter ends, which now and then aborts the process."""
    if dist.is_initialized():
        dist.destroy_process_group()


def agreed(
    trainer: Trainer, received: signal.Signals | None, due: bool
) -> tuple[signal.Signals | None, bool]:
    """What all processes make of a signal that one of them received, and whether it is time to save for one.

    Every process has to ask at the same step.
    """
    if trainer.world_size == 1 or not dist.is_initialized():
        return received, due
    told = torch.tensor([received or 0, int(due)], device=trainer.strategy.root_device)
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    number, time_to_save = told.tolist()
    return signal.Signals(number) if number else None, bool(time_to_save)


def summed(trainer: Trainer, sums: Tensor) -> Tensor:
    """The sum over all processes, each of which has to ask at the same step."""
    if trainer.world_size == 1 or not dist.is_initialized():
        return sums
    told = sums.to(trainer.strategy.root_device, copy=True)
    dist.all_reduce(told)
    return told.to(sums.device)


class _Others:
    """The processes that one of them watches."""

    def lost(self) -> tuple[int, int] | None:
        """The rank of one that ended, and its exit code, if one did and was not to."""
        raise NotImplementedError

    def lost_within(self, seconds: float) -> tuple[int, int] | None:
        """The same, waiting for it."""
        until = time.monotonic() + seconds
        while (lost := self.lost()) is None and time.monotonic() < until:
            time.sleep(LOOK / 10)
        return lost

    def leave(self, code: int) -> None:
        """Have this process leave by itself, if it can."""

    def end(self) -> None:
        """End those that are still there."""


class _First(_Others):
    """What the others watch: the process that started them."""

    def __init__(self, process: int) -> None:
        self._process = process

    def lost(self) -> tuple[int, int] | None:
        return None if os.getppid() == self._process else (0, 1)


class _Started(_Others):
    """What the first process watches: those that it started, once it has."""

    def __init__(self, launcher: _SubprocessScriptLauncher, signals: Signals) -> None:
        self._launcher = launcher
        self._signals = signals
        self._ours: list[subprocess.Popen[bytes]] = []
        signals.pass_on = self._pass_on

    def lost(self) -> tuple[int, int] | None:
        # Lightning would look after them every five seconds, and kill all of them and this one.
        while self._launcher.procs:
            self._ours.append(self._launcher.procs.pop(0))
        for rank, process in enumerate(self._ours, 1):
            if process.poll():
                return rank, process.returncode
        return None

    def leave(self, code: int) -> None:
        if number := _signal_of(code):
            self._signals.patient = False
            os.kill(os.getpid(), number)

    def end(self) -> None:
        self.lost()
        for process in self._ours:
            process.kill()
            process.wait()

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._ours:
            process.send_signal(number)


def _watch(others: _Others, over: threading.Event) -> None:
    while not over.wait(LOOK):
        if lost := others.lost():
            number = _signal_of(lost[1])
            others.leave(lost[1])
            if not over.wait(GRACE):
                print(
                    f"Interrupted by {number.name}" if number else f"error: {_told(*lost)}", file=sys.stderr
                )
                sys.stderr.flush()
                others.end()
                os._exit(128 + number if number else 1)
            return


def _signal_of(code: int) -> signal.Signals | None:
    """The signal that asks to stop with which a process left, if that is why."""
    number = -code if code < 0 else code - 128
    return signal.Signals(number) if number in SIGNALS else None


def _told(rank: int, code: int) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    how = "it is not there any more" if rank == 0 else how
    return f"process {rank} of those that train together has ended ({how}): resume the run from what is saved"
