"""What the data were that a model was trained on, and so what other data have to be like."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Description:
    """What a model has to know of its training data to take others; the scaling is in the model itself.

    Args:
        source: the name of the source; ``in_memory`` where there was none.
        shape: that of one example, as the model takes it.
        is_bytes: whether values are bytes, which become [0, 1].
        low, high: the smallest and the largest training value as the model takes them, before its scaling.
        classes: names of the classes in the order of their numbers, where labels are text.
        columns: names of a table's features, in order.
        truths: those of them that were truth values.
        label: the column with the labels.
        dropped: columns that were left out.
        missing: what is done where values are missing: ``drop`` their rows, or ``mean``, or nothing.
        fill: for ``mean``, what stands for a missing value of each column.

    Raises:
        ValueError: if an argument has not its type.
    """

    source: str
    shape: list[int]
    is_bytes: bool
    low: float
    high: float
    classes: list[str] | None = None
    columns: list[str] | None = None
    truths: list[str] = field(default_factory=list)
    label: str | None = None
    dropped: list[str] = field(default_factory=list)
    missing: str | None = None
    fill: list[float] | None = None

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if not _fits(getattr(self, name), hint):
                raise ValueError(f"data.{name} is not {hint}: {getattr(self, name)!r:.100}")

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The description that :meth:`plain` gave, from a checkpoint.

        Raises:
            ValueError: if it is none.
        """
        known = {spec.name for spec in fields(cls)}
        needed = {"source", "shape", "is_bytes", "low", "high"}
        if not isinstance(plain, Mapping) or not needed <= plain.keys() <= known:
            raise ValueError(f"data describes no training data: {plain!r:.100}")
        return cls(**plain)

    def plain(self) -> dict[str, Any]:
        """The same in plain containers, which a checkpoint may hold."""
        return asdict(self)


def _fits(value: Any, hint: Any) -> bool:
    options = get_args(hint) if get_origin(hint) is not list else ()
    if options:
        return any(_fits(value, option) for option in options)
    if get_origin(hint) is list:
        (entry,) = get_args(hint)
        return isinstance(value, list) and all(_fits(inner, entry) for inner in value)
    return type(value) is hint
