"""Whatever bytes a file holds, a reader gives finite examples or one line that names the file."""

import io
import math
import os
import pickle
import resource
import struct
import traceback
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from contractive.data.description import Description
from contractive.data.pictures import SUFFIXES as PICTURES
from contractive.data.pictures import PictureError
from contractive.data.rows import open_rows
from contractive.data.sources.array import SUFFIXES as ARRAYS
from contractive.data.sources.array import Array
from contractive.data.sources.image_folder import ImageFolder
from contractive.data.sources.mnist import Mnist
from contractive.data.sources.table import Table
from contractive.data.tables import SUFFIXES as TABLES

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
TABLE = pa.table({"a": X[:, 0], "b": X[:, 1], "c": ["x", "y", "x", "y", "z"]})

TRAINED = {
    ARRAYS: Description("array", [3], False, -9.0, 9.0),
    TABLES: Description("table", [2], False, -9.0, 9.0, columns=["a", "b"], label="c", missing="drop"),
    PICTURES: Description("image_folder", [3, 4, 4], True, 0.0, 1.0),
}

fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)


def written(write, *arguments, **options) -> bytes:
    stream = io.BytesIO()
    write(stream, *arguments, **options)
    return stream.getvalue()


def picture(kind: str) -> bytes:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8))
    return written(lambda stream: image.save(stream, kind))


VALID = {
    "x.npy": written(np.save, X),
    "bytes.npy": written(np.save, np.arange(60, dtype=np.uint8).reshape(3, 4, 5)),
    "x.npz": written(np.savez, x=X, y=np.arange(5)),
    "packed.npz": written(np.savez_compressed, x=X, y=np.array(list("abcab"))),
    "x.pt": written(lambda f: torch.save({"x": torch.from_numpy(X), "y": torch.arange(5)}, f)),
    "legacy.pt": written(
        lambda f: torch.save((torch.from_numpy(X), torch.arange(5)), f, _use_new_zipfile_serialization=False)
    ),
    "x.csv": written(lambda f: pyarrow.csv.write_csv(TABLE, f)),
    "x.parquet": written(lambda f: pyarrow.parquet.write_table(TABLE, f)),
    "quoted.csv": b'a,b,c\n1,2,"x, ""y""\nz"\n3,4.5,"a"\n-1,1e3,b\n',
    **{f"x.{kind}": picture(kind) for kind in ("png", "jpeg", "bmp", "gif", "tiff", "webp", "ppm")},
}
# The format of MNIST: type and number of dimensions, sizes, bytes.
IDX = {
    f"{split}-{what}": struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(math.prod(shape))
    for split, n in (("train", 4), ("t10k", 2))
    for what, shape in (("images-idx3-ubyte", (n, 5, 5)), ("labels-idx1-ubyte", (n,)))
}
VALID |= IDX
FOREIGN = sorted({Path(name).suffix for name in VALID} - {""})


def read(path: Path):
    """Read a file by the reader that its name asks for; where it needs others, they are whole."""
    if path.name in IDX:
        for other in IDX.keys() - {path.name}:
            path.with_name(other).write_bytes(IDX[other])
        return Mnist(root=str(path.parents[2]), download=False).read()
    if path.suffix in (".npy", ".npz", ".pt"):
        return Array(path=str(path)).read()
    if path.suffix in (".csv", ".parquet"):
        return Table(path=str(path), label="c").read()
    for other in ("0.png", "1.png"):
        (path.parent / other).write_bytes(VALID["x.png"])
    return ImageFolder(path=str(path.parent), size=4, in_memory_mib=16).read()


def read_in_pieces(path: Path, folder: Path) -> None:
    """The same of what reads a file for a model that was trained on others."""
    description = next(known for suffixes, known in TRAINED.items() if path.suffix in suffixes)
    error = None
    try:
        for piece in open_rows(path, description, 2).pieces():
            assert torch.isfinite(piece.x).all() and list(piece.x.shape[1:]) == description.shape
    except (ValueError, OSError) as told:
        error = told
    assert type(error) in (type(None), ValueError, PictureError), repr(error)
    assert error is None or (str(error).isprintable() and str(folder) in str(error)), error


def check(folder: Path, name: str, content: bytes) -> bool:
    """Whether the file could be read; where not, the error is clean."""
    path = folder / "MNIST" / "raw" / name if name in IDX else folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if name not in IDX:
        read_in_pieces(path, folder)
    examples, error = None, None
    try:
        examples = read(path)["train"]
    except (ValueError, OSError) as told:
        error = told
    if examples is None:
        message = str(error)
        assert message.isprintable(), message
        assert type(error) in (ValueError, PictureError, FileNotFoundError, PermissionError), repr(error)
        assert "\n" not in message and str(folder) in message, message
        return False
    assert len(examples) >= 2
    assert examples.x.dtype in (torch.float32, torch.uint8)
    assert torch.isfinite(examples.x).all()
    return True


@pytest.mark.parametrize("name", VALID)
def test_files_are_valid_before_they_are_damaged(tmp_path, name):
    assert check(tmp_path / "f", name, VALID[name])


@pytest.mark.parametrize("suffix", FOREIGN)
@fuzz
@given(content=st.binary(max_size=300), start=st.sampled_from([b"", *(v[:24] for v in VALID.values())]))
def test_random_bytes(tmp_path, suffix, content, start):
    check(tmp_path / "f", f"x{suffix}", start + content)


@pytest.mark.parametrize("name", VALID)
@fuzz
@given(data=st.data())
def test_truncated_files(tmp_path, name, data):
    whole = VALID[name]
    length = data.draw(st.integers(0, len(whole) - 1))
    read = check(tmp_path / "f", name, whole[:length])
    # A table of text has no length of its own, and a reader of pictures does without a trailer.
    assert not read or (Path(name).suffix not in (".npy", ".npz", ".pt", ".parquet") and name not in IDX)


@pytest.mark.parametrize("name", VALID)
@fuzz
@given(data=st.data())
def test_flipped_bytes(tmp_path, name, data):
    content = bytearray(VALID[name])
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        content[place] = byte
    check(tmp_path / "f", name, bytes(content))


@pytest.mark.parametrize("suffix", FOREIGN)
@pytest.mark.parametrize("name", VALID)
def test_files_under_a_false_name(tmp_path, name, suffix):
    check(tmp_path / "f", f"false{suffix}", VALID[name])


@fuzz
@given(
    shape=st.lists(st.integers(-(2**70), 2**70), max_size=5).map(tuple),
    kind=st.sampled_from(["<f4", "|u1", ">i8", "|O", "<U3", "|V5", "<c8", "<M8[s]", "nonsense"]),
    fortran=st.booleans(),
)
def test_headers_that_promise_anything(tmp_path, shape, kind, fortran):
    head = repr({"descr": kind, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(48)
    check(tmp_path / "f", "x.npy", array)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", array)
    check(tmp_path / "f", "x.npz", archive.getvalue())


@fuzz
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.tuples(inner, inner)
    )
)
def test_pickles_without_tensors(tmp_path, content):
    check(tmp_path / "f", "x.pt", pickle.dumps(content, protocol=2))
    check(tmp_path / "f", "x.pt", written(lambda f: torch.save(content, f)))


def patched(content: bytes, place: int, kind: str, *values: int) -> bytes:
    """The file with other numbers in its header."""
    changed = bytearray(content)
    struct.pack_into(kind, changed, place, *values)
    return bytes(changed)


def png(width: int, height: int) -> bytes:
    head = patched(VALID["x.png"], 16, ">II", width, height)
    return patched(head, 29, ">I", zlib.crc32(head[12:29]))


def npy(shape: tuple[int, ...]) -> bytes:
    head = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


PROMISES = {
    "x.png": [png(13_000, 13_000), png(2**31 - 1, 2**31 - 1)],
    "x.bmp": [patched(VALID["x.bmp"], 18, "<II", size, size) for size in (13_000, 2**31 - 1)],
    "x.gif": [patched(VALID["x.gif"], 6, "<HH", 13_000, 13_000)],
    "x.ppm": [b"P6 13000 13000 255\n\0", b"P6 9999999 9999999 255\n\0"],
    "x.npy": [npy((2**40,)), npy((2**20, 2**20))],
    "train-images-idx3-ubyte": [struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31)],
    "train-labels-idx1-ubyte": [struct.pack(">HBB1I", 0, 8, 1, 2**32 - 1)],
}


@pytest.mark.parametrize("name", PROMISES)
def test_a_header_that_promises_more_than_memory_ends_in_one_line(tmp_path, name):
    if (child := os.fork()) == 0:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
        try:
            for content in PROMISES[name]:
                check(tmp_path / "f", name, content)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
