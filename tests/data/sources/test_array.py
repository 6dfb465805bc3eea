"""A user's own arrays."""

import pickle
import zipfile

import numpy as np
import pytest
import torch

from contractive.data.sources.array import Array

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])


def read_array(path, **options):
    return Array(path=path, **options).read()


def refused(path, *words, error=ValueError, named=None, **options):
    """The source refuses a file in one line that names it, or the file ``named``, and holds the words."""
    with pytest.raises(error) as told:
        read_array(path, **options)
    message = str(told.value)
    assert "\n" not in message
    for word in (named or path.name, *words):
        assert word in message, message


@pytest.fixture
def npy(tmp_path):
    def save(x, name="x.npy", **options):
        np.save(tmp_path / name, x, **options)
        return tmp_path / name

    return save


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i8", "i1", ">u2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_become_float32_whatever_their_type_and_order(npy, dtype, order):
    x = np.asarray(10 * X.reshape(6, 2, 2), dtype, order=order)
    read = read_array(npy(x))["train"]
    assert read.x.dtype == torch.float32 and read.x.is_contiguous() and read.y is None
    np.testing.assert_array_equal(read.x.numpy(), x.astype(np.float32))


def test_an_array_of_many_blocks_is_read_whole(npy, monkeypatch):
    monkeypatch.setattr("contractive.data.npy.BLOCK_BYTES", 50)
    np.testing.assert_array_equal(read_array(npy(X))["train"].x, X)


@pytest.mark.parametrize(
    ("shape", "becomes", "axes"),
    [
        ((5, 4), (5, 4), None),
        ((5, 6, 7), (5, 1, 6, 7), None),
        ((5, 6, 7, 3), (5, 3, 6, 7), (0, 3, 1, 2)),
        ((5, 6, 7, 1), (5, 1, 6, 7), (0, 3, 1, 2)),
        ((5, 3, 6, 7), (5, 3, 6, 7), None),
        ((5, 6, 7, 4), (5, 6, 7, 4), None),
    ],
)
def test_bytes_stay_bytes_and_pictures_get_their_channels_first(npy, shape, becomes, axes):
    x = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    read = read_array(npy(x))["train"].x
    assert read.dtype == torch.uint8 and read.shape == becomes
    np.testing.assert_array_equal(read, x.transpose(axes or range(x.ndim)).reshape(becomes))


@pytest.mark.parametrize("names", [("x", "y"), ("X", "labels"), ("images", "targets"), ("mine", "Y")])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_holds_examples_and_labels(tmp_path, names, save):
    save(tmp_path / "a.npz", **dict(zip(names, (X, Y))))
    own = {"x_key": "mine"} if "mine" in names else {}
    read = read_array(tmp_path / "a.npz", **own)["train"]
    np.testing.assert_array_equal(read.x, X)
    np.testing.assert_array_equal(read.y, Y)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("form", ["tensor", "dictionary", "pair"])
def test_a_pt_file_holds_a_tensor_a_dictionary_or_a_pair(tmp_path, form, legacy):
    x, y = torch.from_numpy(X).double(), torch.from_numpy(Y)
    content = {"tensor": x, "dictionary": {"data": x, "targets": y, "epoch": 3}, "pair": (x, y)}[form]
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    read = read_array(tmp_path / "x.pt")["train"]
    np.testing.assert_array_equal(read.x, X)
    assert read.x.dtype == torch.float32
    assert read.y is None if form == "tensor" else read.y.tolist() == Y.tolist()


def test_bfloat16_and_bytes_come_from_a_pt_file_too(tmp_path):
    torch.save(torch.eye(3, dtype=torch.bfloat16), tmp_path / "x.pt")
    assert read_array(tmp_path / "x.pt")["train"].x.equal(torch.eye(3))
    torch.save(torch.eye(3, dtype=torch.uint8), tmp_path / "x.pt")
    assert read_array(tmp_path / "x.pt")["train"].x.dtype == torch.uint8


@pytest.mark.parametrize(
    ("y", "ids"),
    [
        (np.array(["b", "a", "c", "a", "b", "c"]), [1, 0, 2, 0, 1, 2]),
        (np.array([b"b", b"a", b"c", b"a", b"b", b"c"]), [1, 0, 2, 0, 1, 2]),
        (np.array([[5.0], [-1.0], [0.0], [0.0], [0.0], [0.0]]), [5, -1, 0, 0, 0, 0]),
    ],
)
def test_labels_come_from_a_file_of_their_own_in_any_form(npy, y, ids):
    labels = npy(y, "y.npy")
    assert read_array(npy(X), labels_path=labels)["train"].y.tolist() == ids


def test_a_class_has_one_number_in_all_splits(tmp_path):
    np.savez(tmp_path / "train.npz", x=X[:3], y=["dog", "ant", "dog"])
    np.savez(tmp_path / "test.npz", x=X[3:], y=["dog", "cat", "ant"])
    splits = read_array(tmp_path / "train.npz", test_path=str(tmp_path / "test.npz"))
    assert list(splits) == ["train", "test"]
    assert splits["train"].y.tolist() == [2, 0, 2] and splits["test"].y.tolist() == [2, 1, 0]


def test_a_path_has_to_be_named():
    with pytest.raises(ValueError, match=r"path must name the data: data\.path="):
        read_array(None)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((4, 2), [1.0, np.nan]), ["4 values", "row 0"]),
        (np.array([[0.0], [1.0], [np.inf], [1.0]]), ["1 value is", "row 2"]),
        (np.array([[0.0], [1e300]]), ["float32", "row 1"]),
        (np.zeros((2, 2), complex), ["complex128", "convert"]),
        (np.array([["a"], ["b"]]), ["<U1", "convert"]),
        (np.zeros((2, 2), "M8[s]"), ["datetime64", "convert"]),
        (np.zeros(3, [("a", int), ("b", float)]), ["not numbers", "convert"]),
        (np.zeros(3), ["(3,)", "reshape"]),
        (np.zeros(()), ["()", "reshape"]),
        (np.zeros((3, 0)), ["(3, 0)", "reshape"]),
        (np.zeros((0, 3)), ["holds 0 of the at least 2 examples"]),
        (np.zeros((1, 3)), ["holds 1 of the at least 2 examples"]),
    ],
)
def test_what_cannot_be_trained_on_is_refused(npy, x, words):
    refused(npy(x), *words)


def test_overflow_of_the_sum_alone_is_no_infinity(npy):
    assert len(read_array(npy(np.full((2, 2), 3e38, np.float32)))["train"]) == 2


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("loading ran code",)


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[Bomb()]], object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=np.array([[Bomb()]], object))
    torch.save({"x": torch.zeros(2, 2), "more": Bomb()}, tmp_path / "x.pt")
    for suffix in ("npy", "npz", "pt"):
        refused(tmp_path / f"x.{suffix}", "pickled objects", "refused")
    (tmp_path / "x.pt").write_bytes(pickle.dumps(Bomb()))
    refused(tmp_path / "x.pt", "refused")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    save = {".npy": np.save, ".npz": np.savez, ".pt": lambda path, x: torch.save(torch.from_numpy(x), path)}
    save[suffix](path, X)
    whole = path.read_bytes()
    for length in (1, 9, 60, 150, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path, "again" if suffix != ".pt" else "torch.save")


def test_a_truncated_array_tells_how_much_is_there(npy):
    path = npy(X)
    path.write_bytes(path.read_bytes()[:-16])
    refused(path, "truncated", "80 of 96 bytes")


def test_a_header_that_promises_more_than_memory_is_refused_without_allocating(npy):
    path = npy(np.zeros((1, 1)))
    head = path.read_bytes().replace(b"(1, 1), }" + 14 * b" ", b"(99999999, 99999999), }")
    assert len(head) == path.stat().st_size and b"9999999" in head
    path.write_bytes(head)
    refused(path, "truncated", "8 of 79999998400000008 bytes")


def test_damage_within_an_archive_shows_in_its_checksum(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=X)
    whole = path.read_bytes()
    at = whole.index(X.tobytes())
    path.write_bytes(whole[: at + 10] + bytes([whole[at + 10] ^ 1]) + whole[at + 11 :])
    refused(path, "broken", "CRC")


def test_a_file_of_another_type_than_its_name_is_named_for_what_it_is(tmp_path, npy):
    npy(X).rename(tmp_path / "a.npz")
    refused(tmp_path / "a.npz", "looks like a .npy array")
    np.savez(tmp_path / "b.npz", X)
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    refused(tmp_path / "b.npy", "looks like a zip archive")
    npy(X).rename(tmp_path / "c.pt")
    refused(tmp_path / "c.pt", "looks like a .npy array")


def test_what_is_no_readable_file_is_refused(tmp_path):
    refused(tmp_path / "none.npy", "path: there is nothing at", error=FileNotFoundError)
    (tmp_path / "folder.npy").mkdir()
    refused(tmp_path / "folder.npy", "is a folder", error=IsADirectoryError)
    (tmp_path / "empty.npy").touch()
    refused(tmp_path / "empty.npy", "is empty")
    (tmp_path / "x.csv").write_text("a\n1\n")
    refused(tmp_path / "x.csv", ".npy or .npz or .pt", "'.csv'")


def test_a_file_that_may_not_be_read_is_refused(npy, monkeypatch):
    path = npy(X)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # root may read everything, so no mode would do
    refused(path, "may not be read", error=PermissionError)


def test_archives_without_examples_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=X, b=X)
    refused(tmp_path / "a.npz", "data.x_key", "a, b")
    refused(tmp_path / "a.npz", "data.x_key", "a, b", x_key="c")
    refused(tmp_path / "a.npz", "data.y_key", "b", x_key="a", y_key="c")
    torch.save({"a\nb": torch.eye(2), "c": torch.eye(2)}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "data.x_key", "a b, c")
    torch.save({"a": 1}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "holds no tensor")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    refused(tmp_path / "b.npz", "data.x_key")


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.eye(3).to_sparse(), ["sparse"]),
        (torch.zeros(1, 3).expand(1000, 3), ["contiguous()"]),
        (torch.zeros(3, 2, dtype=torch.complex64), ["complex64"]),
        (torch.zeros(3, 2, device="meta"), ["dense"]),
    ],
)
def test_tensors_that_are_no_numbers_in_a_row_are_refused(tmp_path, tensor, words):
    torch.save(tensor, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", *words)


@pytest.mark.parametrize("in_memory_mib", [0, 1])
def test_classes_keep_their_names(npy, in_memory_mib):
    labels = np.array(["b", "a", "c"] * 10)
    paths = {"path": npy(np.ones((30, 2), "f4")), "labels_path": npy(labels, "y.npy")}
    source = Array(**paths, in_memory_mib=in_memory_mib)
    parts = source.parts(seed=0)
    y = torch.cat([batch[1] for part in parts.values() for batch in part.loader(4, shuffle=False)])
    assert y.bincount().tolist() == [10, 10, 10]
    assert source.found() == {"classes": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (Y[:5], ["6 examples and 5 labels"]),
        (np.array([0, 1, np.inf, 0, np.nan, 0.5]), ["2 are not", "inf", "row 2"]),
        (np.zeros((6, 2)), ["(6, 2)"]),
        (np.zeros(6, complex), ["complex128"]),
    ],
)
def test_labels_that_do_not_fit_are_refused(npy, y, words):
    x, labels = npy(X), npy(y, "y.npy")
    refused(x, *words, named="y.npy", labels_path=labels)


def test_splits_have_to_agree(tmp_path, npy):
    train = npy(X)
    with pytest.raises(
        ValueError, match=r"v\.npy: an example of the val split is \(3,\) float32, .*\(4,\) f"
    ):
        read_array(train, val_path=npy(X[:, :3], "v.npy"))
    with pytest.raises(ValueError, match=r"v\.npy: .*uint8.*float32"):
        read_array(train, val_path=npy(X.astype(np.uint8), "v.npy"))
    with pytest.raises(ValueError, match=r"v\.npy: holds 0 of the at least 1 examples for val"):
        read_array(train, val_path=npy(X[:0], "v.npy"))
    np.savez(tmp_path / "t.npz", x=X, y=Y)
    np.savez(tmp_path / "v.npz", x=X, y=Y.astype(str))
    with pytest.raises(ValueError, match=r"v\.npz: labels are strings, those of .*t\.npz are numbers"):
        read_array(tmp_path / "t.npz", val_path=tmp_path / "v.npz")
