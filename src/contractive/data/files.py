"""Files that a user names, one for each split: finding them, and checking that what they hold agrees."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What files start with: what that is called, and which suffixes it may have.
SIGNATURES = {
    b"\x93NUMPY": ("a .npy array", (".npy",)),
    b"PK": ("a zip archive, as .npz and .pt are", (".npz", ".pt")),
    b"\x80": ("a pickle", (".pt",)),
    b"PAR1": ("a .parquet table", (".parquet",)),
    b"\x89PNG": ("a PNG picture", ()),
    b"\xff\xd8\xff": ("a JPEG picture", ()),
    b"\x1f\x8b": ("a gzip archive", ()),
}


def check_count(n: int, split: str, where: object) -> None:
    """Raise ``ValueError`` unless there are two training examples, or one in another split."""
    least = 2 if split == "train" else 1
    if n < least:
        raise ValueError(f"{where}: holds {n} of the at least {least} examples for {split}: name another")


def check_split(split: str, x: Mapping[str, Any], paths: Mapping[str, Path]) -> None:
    """Raise ``ValueError`` unless a split has enough examples, and such as those of training."""
    check_count(len(x[split]), split, paths[split])
    own, wanted = (f"{array.shape[1:]} {array.dtype}" for array in (x[split], x["train"]))
    if own != wanted:
        raise ValueError(
            f"{paths[split]}: an example of the {split} split is {own}, one of the training split"
            f" ({paths['train']}) is {wanted}: make them agree"
        )


def check_file(path: Path, suffixes: tuple[str, ...]) -> str:
    """The suffix of a file that can be read, in lower case.

    Raises:
        OSError: if there is none, if it is a folder, or if it may not be read.
        ValueError: if the suffix is not one of ``suffixes``, or if the file is empty or not a regular one.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file: check the path")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; name a file {' or '.join(suffixes)} in it")
    if suffix not in suffixes:
        raise ValueError(f"{path}: must be {' or '.join(suffixes)}; its name ends in {suffix!r}")
    if not path.is_file():
        raise ValueError(f"{path}: is not a regular file: name a file {' or '.join(suffixes)}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: is empty: write it again")
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise PermissionError(f"{path}: may not be read: change its permissions, as with chmod +r") from error
    return suffix


def looks_like(path: Path) -> str:
    """What a file is by its first bytes, if not what its name says: ``"; it looks like a .npy array"``."""
    with path.open("rb") as file:
        head = file.read(8)
    for signature, (kind, suffixes) in SIGNATURES.items():
        if head.startswith(signature) and path.suffix.lower() not in suffixes:
            return f"; it looks like {kind}"
    return ""


def shown(name: object) -> str:
    r"""A name, or a line that holds one, as it may be printed: nothing in it can move a terminal's cursor.

    >>> print(shown("a\x1b[2J\n.png"), shown("größe"))
    a\x1b[2J\n.png größe
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


@contextmanager
def safely_told() -> Iterator[None]:
    """Pass errors on with names that may be printed: files, columns and archives bring names of their own."""
    try:
        yield
    except (ValueError, OSError) as error:
        if str(error).isprintable():
            raise
        kind = type(error) if isinstance(error, OSError) else ValueError
        raise kind(shown(error)) from error


def listed(names: Sequence[str]) -> str:
    """At most five names.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def one_line(error: Exception) -> str:
    """What another library says, in one line of moderate length."""
    line = shown(" ".join(str(error).split())) or type(error).__name__
    return line if len(line) <= 200 else line[:199] + "…"
