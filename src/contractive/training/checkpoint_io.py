"""How Lightning's checkpoints get to disk and back."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from contractive.runs.checkpoints import read_checkpoint
from contractive.runs.files import write_atomically

KEEP = "keep in memory until another one is saved"


def pending(path: Path) -> Path:
    """Where a checkpoint waits, whole, for the one with which it will count."""
    return path.with_name(f"{path.name}.next")


class PairedCheckpointIO(CheckpointIO):
    """Writes checkpoints whole or not at all, and those that belong together together.

    What is saved with ``storage_options=KEEP`` is copied in memory, and written along with the next one that
    is not: first whole beside its place, then the other one in its own, then it takes its place. So the other
    one, which names it, finds it whenever the process is killed: in its place or :func:`pending`.
    """

    def __init__(self) -> None:
        self._kept: tuple[Path, dict[str, Any]] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write it, after what is kept, or keep it.

        Raises:
            OSError: naming the file, if it cannot be written; what was there before stays.
        """
        if storage_options == KEEP:
            self._kept = (Path(path), _copied(checkpoint))
            return
        if self._kept is None:
            _write(checkpoint, Path(path))
            return
        other, kept = self._kept
        beside = pending(other)
        try:
            _write(kept, beside)
            _write(checkpoint, Path(path))
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        beside.replace(other)
        self._kept = None

    def save_kept(self, path: str | Path) -> None:
        """Write what is kept, if anything is, to its own place and to ``path``."""
        if self._kept is not None:
            self.save_checkpoint(self._kept[1], path)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read it as any other, onto the CPU and without running code from it."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove it, if it is there."""
        Path(path).unlink(missing_ok=True)


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    # In memory first: what torch makes of an error of the disk does not name it.
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_atomically(path, content.getvalue())


def _copied(value: Any) -> Any:
    """Containers and tensors copied to the CPU: training goes on to change them."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_copied, value))
    return value
