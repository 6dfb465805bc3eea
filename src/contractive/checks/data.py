"""What the settings of the data may be."""

from pathlib import Path
from typing import Any

from contractive.checks.values import check_choice, check_flag, check_integer, check_number, nearest

_NAMED = ("root", "download", "grey")
_FILES = ("path", "val_path", "test_path")
#: The sources, and what each takes of its own.
SOURCES = {
    "digits": (),
    "mnist": _NAMED,
    "fashion_mnist": _NAMED,
    "kmnist": _NAMED,
    "cifar10": _NAMED,
    "array": (*_FILES, "labels", "x_key", "y_key", "in_memory_mib"),
    "table": (*_FILES, "label", "drop", "drop_constant"),
    "image_folder": (*_FILES, "size", "grey", "strict"),
}
SCALINGS = ("none", "unit", "standard", "auto")


def check_data(
    *,
    source: Any,
    batch_size: Any,
    val_fraction: Any,
    test_fraction: Any,
    scaling: Any,
    drop_last: Any,
    **options: Any,
) -> None:
    """Check the settings of :class:`contractive.data.DataModule`, and that the files they name are there.

    Raises:
        ValueError: if a setting is not what it may be; the message starts with its name.
        FileNotFoundError: if a file or folder that a setting names is not there.
    """
    check_choice("source", source, SOURCES)
    check_integer("batch_size", batch_size, low=1)
    check_number("val_fraction", val_fraction, above=0)
    check_number("test_fraction", test_fraction, above=0)
    if val_fraction + test_fraction >= 1:
        raise ValueError(
            f"val_fraction={val_fraction:g} and test_fraction={test_fraction:g} leave nothing to train on:"
            " together they must be below 1"
        )
    check_choice("scaling", scaling, SCALINGS)
    check_flag("drop_last", drop_last)
    for name in options:
        if name not in SOURCES[source]:
            takes = ", ".join(SOURCES[source]) or "no settings of its own"
            raise ValueError(f"{name}: {source} takes {takes}{nearest(name, SOURCES[source])}")
    for name in ("download", "grey", "strict", "drop_constant"):
        if name in options:
            check_flag(name, options[name])
    if "in_memory_mib" in options:
        check_number("in_memory_mib", options["in_memory_mib"], low=0)
    if "path" in SOURCES[source] and options.get("path") is None:
        raise ValueError(f"path must name the data: data={source} data.path=…")
    for name in (*_FILES, "labels"):
        if options.get(name) is not None and not Path(str(options[name])).exists():
            raise FileNotFoundError(f"{name}: there is nothing at {str(options[name])!r}")
