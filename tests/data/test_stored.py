"""Arrays that stay in their file."""

import io

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contractive.data.stored import StoredArray, blocks_of, split_blocks


def stored(path, array):
    np.save(path / "x.npy", array)
    return StoredArray(path / "x.npy")


@pytest.mark.parametrize("dtype", ["u1", "b1", "i2", "<i8", "f2", "<f4", ">f4", "f8"])
def test_rows_are_those_of_the_array_as_bytes_or_floats(tmp_path, dtype):
    array = np.random.default_rng(0).integers(0, 2 if dtype == "b1" else 200, (11, 2, 3)).astype(dtype)
    x = stored(tmp_path, array)
    if dtype == "u1":  # bytes in three dimensions are grey pictures
        array = array[:, None]
    assert x.shape == array.shape and len(x) == 11 and x.dtype == ("u1" if dtype == "u1" else "f4")
    rows = x.read(4, 9)
    assert rows.dtype == (torch.uint8 if dtype == "u1" else torch.float32)
    np.testing.assert_array_equal(rows.numpy(), array[4:9].astype("u1" if dtype == "u1" else "f4"))
    assert x.row_bytes == rows[0].numel() * rows.element_size()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(tmp_path, version):
    array = np.arange(6, dtype="f4").reshape(3, 2)
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version)
    np.testing.assert_array_equal(StoredArray(tmp_path / "x.npy").read(0, 3).numpy(), array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.asfortranarray(np.ones((3, 2))), "Fortran order.*ascontiguousarray"),
        (np.array([["a", "b"]]), "holds <U1, not real numbers: convert"),
        (np.ones((3, 2), dtype=complex), "holds complex128, not real numbers: convert"),
        (np.ones((3, 1), dtype=[("a", "f4")]), "not numbers or strings: convert"),
        (np.array([[{}]]), "pickled objects.*may run code"),
        (np.ones(3), r"shape \(3,\)"),
        (np.float32(1), r"shape \(\)"),
        (np.ones((4, 0)), r"shape \(4, 0\)"),
    ],
)
def test_other_arrays_are_refused_in_one_line_that_names_the_file(tmp_path, array, message):
    with pytest.raises(ValueError, match=message) as error:
        stored(tmp_path, array)
    assert str(error.value).startswith(str(tmp_path / "x.npy")) and "\n" not in str(error.value)


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        StoredArray(tmp_path / "x.npy")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        StoredArray(tmp_path)
    (tmp_path / "x.npy").touch()
    with pytest.raises(ValueError, match="is empty"):
        StoredArray(tmp_path / "x.npy")


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


VALID = saved(np.arange(12, dtype="f4").reshape(4, 3))


def test_a_truncated_file_is_told_with_its_size_and_the_size_it_should_have(tmp_path):
    (tmp_path / "x.npy").write_bytes(VALID[:-5])
    with pytest.raises(ValueError, match="truncated: 43 of 48 bytes are there"):
        StoredArray(tmp_path / "x.npy")


def test_bytes_after_the_last_value_are_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(VALID + b"more")
    with pytest.raises(ValueError, match=r"x\.npy: has 4 bytes after the array's last value: write it again"):
        StoredArray(tmp_path / "x.npy")


def test_a_file_that_shrinks_while_it_is_read_is_told(tmp_path):
    x = stored(tmp_path, np.ones((4, 3)))
    x.path.write_bytes(x.path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="ends before row 4"):
        x.read(2, 4)


def header(text):
    body = text.encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 a zip",
        b"\x80\x04N.",  # a pickle
        b"\x93NUMPY\x04\x00" + VALID[8:],  # a version that there is not
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 3)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3)}"),
        header("{'descr': '<f4', 'fortran_order': False}"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (4, 3)}"),
        header("{'descr': '<q9', 'fortran_order': False, 'shape': (4, 3)}"),
        header("{1: 2, 'a': 3}"),
        header("__import__('os').abort()"),
        header("(" * 5000),
        header("'" * 3),
        header("9" * 9999),
    ],
)
def test_a_damaged_header_ends_in_one_line(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        StoredArray(tmp_path / "x.npy")
    assert str(error.value).startswith(str(tmp_path / "x.npy")) and "\n" not in str(error.value)


@given(st.one_of(st.binary(max_size=200), st.integers(0, len(VALID) - 1), st.data()))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_truncations_and_changes_end_in_one_line_or_in_numbers(tmp_path, damage):
    if isinstance(damage, int):
        content = VALID[:damage]
    elif isinstance(damage, bytes):
        content = VALID[:8] + damage
    else:
        place = damage.draw(st.integers(0, len(VALID) - 1))
        content = VALID[:place] + damage.draw(st.binary(min_size=1, max_size=3)) + VALID[place + 1 :]
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    try:
        x = StoredArray(path)
        if len(x):
            assert x.read(0, len(x)).shape == x.shape
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)  # noqa: PT017
        assert not isinstance(damage, int) or "truncated" in str(error) or damage < 128  # noqa: PT017


def test_blocks_have_four_mebibytes_in_a_large_file_and_are_many_in_a_small_one(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (2_000_000, 1024)}
        )
        file.truncate(file.tell() + 2_000_000 * 4096)
    assert blocks_of(StoredArray(tmp_path / "x.npy")) == (1024, 1954)
    assert blocks_of(stored(tmp_path, np.ones((1000, 1)))) == (3, 334)
    assert blocks_of(stored(tmp_path, np.ones((5, 1)))) == (1, 5)


def test_every_block_is_in_exactly_one_split_of_the_size_asked_for():
    splits = split_blocks(1000, {"val": 0.1, "test": 0.25}, seed=3)
    assert {name: len(blocks) for name, blocks in splits.items()} == {"train": 650, "val": 100, "test": 250}
    assert torch.equal(torch.cat(list(splits.values())).sort().values, torch.arange(1000))


def test_the_split_depends_on_the_seed_alone():
    fractions = {"val": 0.1, "test": 0.1}
    first = split_blocks(100, fractions, seed=0)
    torch.rand(3)
    assert torch.equal(first["val"], split_blocks(100, fractions, seed=0)["val"])
    assert not torch.equal(first["val"], split_blocks(100, fractions, seed=1)["val"])


def test_a_small_share_is_one_block_and_no_share_no_split():
    assert {k: len(v) for k, v in split_blocks(4, {"val": 0.01, "test": 0}, 0).items()} == {
        "train": 3,
        "val": 1,
    }
    with pytest.raises(ValueError, match=r"val_fraction=0.1 and test_fraction=0.1 of 2 blocks"):
        split_blocks(2, {"val": 0.1, "test": 0.1}, 0)
