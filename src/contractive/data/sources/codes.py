from dataclasses import dataclass
from typing import ClassVar

from contractive.data.settings import Source, as_path
from contractive.settings import default_of, setting


@dataclass
class Codes(Source):
    """The codes that a trained run gives of its own data, in its own splits, with their labels.

    What is trained on them is the next layer of a stack. The encoder stays as it is. Splits, and which
    examples keep their label, are by the settings and the seed of that run.
    """

    named: ClassVar[bool] = False
    scaling: str = setting(
        "none", "none, as the next layer of a stack needs it; unit, to [0, 1]", choices=("none", "unit")
    )
    run: str | None = setting(None, "the trained run: its directory or a checkpoint")
    in_memory_mib: float = setting(1024.0, "memory that the codes may take", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.run is None:
            raise ValueError("run must name the trained run whose codes are the data: data.run=…")
        if not as_path(self.run).exists():
            raise FileNotFoundError(f"run: there is nothing at {str(self.run)!r}")
        for name, share in (("val_fraction", self.val_fraction), ("test_fraction", self.test_fraction)):
            if share != default_of(Source, name):
                raise ValueError(f"{name}={share:g}: the splits are those of run={self.run}: leave it out")
