"""Data sets that torchvision downloads and reads. Nothing here imports torch before it is needed."""

import contextlib
import io
import math
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from filelock import FileLock

from contractive.data.examples import Examples
from contractive.data.files import one_line, shown
from contractive.data.settings import Source
from contractive.settings import setting


@dataclass
class TorchvisionSource(Source):
    """Pictures that torchvision keeps in a folder of its own; here those in the format of MNIST."""

    #: The name of the class in ``torchvision.datasets``.
    dataset: ClassVar[str]

    batch_size: int = setting(256, "examples in a batch", low=1)
    val_fraction: float = setting(1 / 6, "share of the training pictures that validate", above=0)
    root: str = setting("data", "the folder that torchvision keeps its data sets in")
    download: bool = setting(True, "whether what is missing is downloaded")

    def fetch(self) -> None:
        """See to it that all files are there and whole, downloading them if that is allowed.

        A file that an interrupted download left half-written is downloaded again.

        Raises:
            FileNotFoundError: naming files and folder, if one is missing or broken and was not downloaded.
        """
        wrong = [path for path, is_whole in self.files().items() if not is_whole]
        if not wrong:
            return
        folder, names = wrong[0].parent, ", ".join(path.name for path in wrong)
        said = f"{self.dataset}: {names} missing or broken in {str(folder)!r}"
        if not self.download:
            raise FileNotFoundError(f"{said}: set data.root or data.download=true")
        absent = [path for path in (folder, *folder.parents) if not path.exists()]
        lock = Path(self.root, f".{self.dataset}.lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            # Of several processes one downloads; the others wait, and find it there.
            with FileLock(lock), _quiet_and_patient():
                still = [path for path, is_whole in self.files().items() if not is_whole]
                for path in still:  # what is there, torchvision takes for whole
                    path.unlink(missing_ok=True)
                if still:
                    self.load(download=True)
                lock.unlink(missing_ok=True)
        except Exception as error:  # networks, archives and torchvision itself fail in many types
            lock.unlink(missing_ok=True)
            for path in absent:  # of a failed download no empty folders stay behind
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise FileNotFoundError(
                f"{said}, and could not be downloaded ({one_line(error)}): set data.root to their folder"
            ) from error

    def read(self) -> dict[str, Examples]:
        """Training and test pictures as bytes ``(n, channels, height, width)``, with labels.

        Raises:
            FileNotFoundError: see :meth:`fetch`.
            ValueError: if there are not as many labels as pictures.
        """
        import torch

        self.fetch()
        splits = {"train": self.load(train=True), "test": self.load(train=False)}
        for split, loaded in splits.items():
            if len(loaded.data) != len(loaded.targets):
                raise ValueError(
                    f"{self.dataset}: in {shown(self.root)!r} there are {len(loaded.data)} pictures and"
                    f" {len(loaded.targets)} labels for {split}: remove the files, to download them again"
                )
        return {
            split: Examples(self.pixels(loaded.data), torch.as_tensor(loaded.targets))
            for split, loaded in splits.items()
        }

    def load(self, **options: Any) -> Any:
        """The data set as torchvision has it."""
        import torchvision.datasets

        return getattr(torchvision.datasets, self.dataset)(self.root, **options)

    def files(self) -> dict[Path, bool]:
        """All files of the data set, and whether each is there and whole."""
        import torchvision.datasets

        archives = getattr(torchvision.datasets, self.dataset).resources
        paths = [Path(self.root, self.dataset, "raw", Path(name).stem) for name, _ in archives]
        return {path: _is_whole_idx(path) for path in paths}

    def pixels(self, data: Any) -> Any:
        """Bytes ``(n, channels, height, width)`` of what torchvision has, ``(n, height, width)``."""
        return data.unsqueeze(1)


def _is_whole_idx(path: Path) -> bool:
    """Whether a file has the dimensions that its name says and the length that its header says."""
    # That is 0, 0, the type (8: bytes), the number of dimensions, and a big-endian 32-bit size for each.
    dimensions = 3 if "idx3" in path.name else 1
    head = np.fromfile(path, ">u4", 1 + dimensions).tolist() if path.is_file() else []
    return (
        len(head) == 1 + dimensions
        and head[0] == 0x800 + dimensions
        and 0 < math.prod(head[1:]) == path.stat().st_size - 4 * len(head)
    )


@contextlib.contextmanager
def _quiet_and_patient() -> Iterator[None]:
    """torchvision prints each mirror it tries, and waits for ever for one that never answers."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(timeout)
