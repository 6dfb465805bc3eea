"""Files of rows, read by the libraries that will read them."""

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contractive.runs.outputs import rows_file

BESIDE = pa.schema([("row", pa.int64()), ("label", pa.string())])


def beside(start, n):
    labels = [None if i % 3 == 1 else f"ü{i}" for i in range(start, start + n)]
    return pa.record_batch(
        [pa.array(range(start, start + n), pa.int64()), pa.array(labels, pa.string())], schema=BESIDE
    )


def written(path, x, pieces, name="codes"):
    with rows_file(path, ["a", "b"], BESIDE, name) as add:
        start = 0
        for n in pieces:
            add(x[start : start + n], beside(start, n))
            start += n
    return path


@pytest.mark.parametrize("pieces", [[10], [3, 0, 7], [1] * 10, []])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npy", ".npz"])
def test_rows_are_there_in_order_however_they_came(tmp_path, suffix, pieces):
    x = np.random.default_rng(0).random((sum(pieces), 2)).astype(np.float32)
    path = written(tmp_path / f"x{suffix}", x, pieces)
    if suffix in (".parquet", ".csv"):
        table = pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path)
        found, rows, labels = table[["a", "b"]].to_numpy(float), table["row"], list(table["label"].fillna(""))
    else:
        archive = np.load(path)
        if suffix == ".npy":
            found, rows, labels = archive, None, None
        else:
            found, rows, labels = archive["codes"], archive["row"], list(archive["label"])
    np.testing.assert_allclose(found, x, rtol=1e-6)
    if rows is not None:
        assert list(rows) == list(range(len(x)))
        assert labels == ["" if i % 3 == 1 else f"ü{i}" for i in range(len(x))]
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_and_shapes_stay_what_they_are(tmp_path):
    x = np.arange(5 * 12, dtype=np.uint8).reshape(5, 1, 3, 4)
    found = np.load(written(tmp_path / "x.npy", x, [2, 3]))
    assert found.dtype == np.uint8 and np.array_equal(found, x)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npy", ".npz"])
def test_what_breaks_off_leaves_nothing(tmp_path, suffix):
    def broken():
        with rows_file(tmp_path / f"x{suffix}", ["a", "b"], BESIDE) as add:
            add(np.zeros((2, 2)), beside(0, 2))
            raise ValueError("broken data")

    with pytest.raises(ValueError, match="broken data"):
        broken()
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_called_like_a_value_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="column 'row' of the data"),
        rows_file(tmp_path / "x.csv", ["row"], BESIDE),
    ):
        pass


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("contractive.runs.outputs.GROUP_BYTES", 2**20)

    def most(pieces):
        x = np.zeros((1000, 50), np.float32)
        none = pa.record_batch([pa.array(range(1000))], schema=pa.schema([("row", pa.int64())]))
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        held = 0
        with rows_file(tmp_path / f"x{suffix}", [f"c{i}" for i in range(50)], none.schema) as add:
            for _ in range(pieces):
                add(x, none)
                held = max(held, pa.total_allocated_bytes() - before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak + held

    # Of 8 and of 40 MB.
    assert most(200) < most(40) + 2**21
