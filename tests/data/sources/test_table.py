"""A user's own tables; pandas, which the package itself does not use, says what is right."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from contractive.data.sources.table import Table

FRAME = pd.DataFrame(
    {
        "height": [1.5, 2.5, -3.0, 0.25, 8.0],
        "count": [1, 2, 3, 4, 5],
        "open": [True, False, True, True, False],
        "kind": ["b", "a", "b", "c", "a"],
    }
)
NUMBERS = ["height", "count", "open"]


@pytest.fixture(params=[".csv", ".parquet"])
def save(tmp_path, request):
    def write(frame, name="t"):
        path = tmp_path / f"{name}{request.param}"
        if request.param == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return path

    return write


def read_table(path, **options):
    return Table(path=path, **options).read()


def refused(path, *words, error=ValueError, **options):
    """The source refuses a file in one line that names it and holds the words."""
    with pytest.raises(error, match=re.escape(path.name)) as told:
        read_table(path, **options)
    message = str(told.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_columns_become_features_and_labels(save):
    read = read_table(save(FRAME), label="kind")["train"]
    assert read.x.dtype == torch.float32
    np.testing.assert_array_equal(read.x, FRAME[NUMBERS].to_numpy(np.float32))
    assert read.y.tolist() == [1, 0, 1, 2, 0]
    dropped = read_table(save(FRAME), drop=["kind", "count"])["train"]
    np.testing.assert_array_equal(dropped.x, FRAME[["height", "open"]].to_numpy(np.float32))
    assert dropped.y is None


def test_many_blocks_of_rows_are_read_in_order(save):
    x = np.random.default_rng(0).normal(size=(2500, 3)).astype(np.float32)
    read = read_table(save(pd.DataFrame(x, columns=["a", "b", "c"])))["train"].x
    np.testing.assert_array_equal(read, x)


@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        ([7, 3, 7, 0, -1], [7, 3, 7, 0, -1]),
        ([1.0, 0.0, 2.0, 0.0, 1.0], [1, 0, 2, 0, 1]),
        ([0.5, 0.25, 0.5, 2.0, 0.25], [0.5, 0.25, 0.5, 2.0, 0.25]),
        ([True, False, True, True, False], [1, 0, 1, 1, 0]),
        (pd.to_datetime(["2020", "2019", "2020", "2021", "2019"]), [1, 0, 1, 2, 0]),
    ],
)
def test_a_label_may_be_of_any_type(save, labels, ids):
    assert read_table(save(FRAME.assign(kind=labels)), label="kind")["train"].y.tolist() == ids


def test_decimals_and_narrow_and_wide_numbers_are_numbers(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    columns = {
        "decimal": pa.array([1, 2]).cast(pa.decimal128(20, 1)),
        "half": pa.array(np.array([1, 2], np.float16)),
        "wide": pa.array([2**63, 0], pa.uint64()),
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["train"].x.tolist() == [[1, 1, 2.0**63], [2, 2, 0]]


def test_splits_are_matched_by_the_names_of_their_columns(save):
    test = FRAME[["kind", "open", "height", "count"]].assign(kind=["c", "d", "d", "c", "a"])
    splits = read_table(save(FRAME), test_path=save(test, "test"), label="kind")
    assert splits["test"].x.equal(splits["train"].x)
    assert splits["test"].y.tolist() == [2, 3, 3, 2, 0]


def test_splits_have_to_have_the_same_columns(save):
    train, without = save(FRAME), save(FRAME.drop(columns="count"), "v")
    with pytest.raises(ValueError, match=r"v\..*columns differ .* count"):
        read_table(train, val_path=without, label="kind")
    assert list(read_table(train, val_path=without, label="kind", drop=["count"])) == ["train", "val"]


def test_a_path_has_to_be_named():
    with pytest.raises(ValueError, match=r"path must name the data: data\.path="):
        read_table(None)


def test_columns_that_are_no_features_are_refused_by_name(save):
    refused(save(FRAME), "kind", "not numeric", "data.drop=[kind]")
    refused(
        save(FRAME.assign(same=1, too=2.0)), "same, too", "drop_constant=true", "[same,too]", label="kind"
    )
    refused(save(FRAME[["kind"]]), "no column is left", label="kind")


def test_constant_columns_are_left_out_on_demand_as_the_training_split_has_them(save):
    train, test = save(FRAME.assign(same=1)), save(FRAME.assign(same=[1, 2, 3, 4, 5]), "test")
    splits = read_table(train, test_path=test, label="kind", drop_constant=True)
    assert splits["train"].x.equal(splits["test"].x) and splits["test"].x.shape == (5, 3)
    refused(save(FRAME[["count"]].assign(count=1)), "constant", drop_constant=True)


def test_unknown_columns_are_refused_with_the_nearest(save):
    refused(save(FRAME), "no column 'kinds'", "did you mean kind?", label="kinds")
    refused(save(FRAME), "no column 'xyz'", "height", label="kind", drop=["xyz"])
    with pytest.raises(ValueError, match=r"data\.drop=\[kind\]"):
        read_table(save(FRAME), drop="kind")


def test_missing_and_infinite_values_are_refused_with_their_place(save):
    refused(save(FRAME.assign(height=[1, None, 2, None, 3])), "2 values", "row 1", "'height'", label="kind")
    refused(save(FRAME.assign(height=[1, 2, np.inf, 4, 3])), "1 value is", "row 2", "'height'", label="kind")
    refused(save(FRAME.assign(height=[1, 2, 1e300, 4, 3])), "float32", "row 2", label="kind")
    refused(save(FRAME.assign(height=[None] * 5)), "5 values", "row 0", "data.drop=[height]", label="kind")
    refused(save(FRAME.assign(open=[True, None, True, True, False])), "1 value", "row 1", label="kind")
    refused(save(FRAME.assign(kind=["a", "b", None, "c", "a"])), "1 labels", "row 2", "'kind'", label="kind")
    refused(save(FRAME.assign(kind=[1, 2, None, 4, 3])), "1 labels", "row 2", "'kind'", label="kind")


def test_a_label_that_is_nan_is_missing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    pa.parquet.write_table(pa.table({"a": [1.0, 2.0], "y": [0.0, np.nan]}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "1 labels", "row 1", label="y")


def test_one_row_or_none_is_refused(save):
    refused(save(FRAME[:1]), "holds 1 of the at least 2", label="kind")
    refused(save(FRAME[:0].astype({"kind": int, "open": int})), "holds 0 of the at least 2", label="kind")


def test_a_table_without_names_of_columns_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n5,6\n")
    refused(tmp_path / "t.csv", "first line holds numbers")
    (tmp_path / "t.csv").write_text("a,b,a\n3,4,5\n5,6,7\n")
    refused(tmp_path / "t.csv", "a names more than one column")
    (tmp_path / "t.csv").write_text('a,"b\nb"\n3,4\n5,6\n')
    refused(tmp_path / "t.csv", r"'b\nb'", "rename")


def test_columns_that_pandas_numbered_are_features_and_its_row_index_is_not(save, tmp_path):
    numbered = pd.DataFrame({"0": [1, 2], "1": [3, 5]})
    assert read_table(save(numbered))["train"].x.tolist() == [[1, 3], [2, 5]]
    path = tmp_path / "i.csv"
    FRAME.to_csv(path)
    refused(path, "row index", "data.drop=['']", label="kind")
    assert read_table(path, label="kind", drop=[""])["train"].x.shape == (5, 3)
    path = tmp_path / "i.parquet"
    FRAME.set_index(np.array([3, 1, 4, 0, 2])).to_parquet(path)
    refused(path, "row index", "data.drop=['__index_level_0__']", label="kind")


def test_a_line_of_another_length_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n3,4\n5\n6,7\n")
    refused(tmp_path / "t.csv", "Expected 2 columns, got 1")


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "empty.csv").touch()
    refused(tmp_path / "empty.csv", "is empty")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n2,3\n")
    refused(tmp_path / "text.parquet", "is no .parquet table")
    FRAME.to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "named.csv").write_bytes(whole)
    refused(tmp_path / "named.csv", "looks like a .parquet table")
    for length in (3, 100, len(whole) - 1):
        (tmp_path / "t.parquet").write_bytes(whole[:length])
        refused(tmp_path / "t.parquet", "is no .parquet table, or broken")
    refused(tmp_path / "none.csv", "path: there is nothing at", error=FileNotFoundError)
    refused(tmp_path, "is a folder", error=IsADirectoryError)


GAPS = pd.DataFrame(
    {"a": [1.5, None, -3.0, 0.25, np.nan, 7.0], "b": [1, 2, None, 4, 5, 6.5], "kind": [*"xyxyx", None]}
)


def test_missing_values_are_refused_with_their_columns_and_what_can_be_done(save):
    path = save(GAPS)
    refused(path, "3 values", "'a', 'b'", "row 1", "data.missing=drop", "=mean", "[a,b]", label="kind")


def test_rows_that_lack_a_value_or_label_are_left_out_on_demand(save, caplog):
    test = save(GAPS[["b", "a", "kind"]], "test")
    splits = read_table(save(GAPS), test_path=test, label="kind", missing="drop")
    for read in splits.values():
        assert read.x.tolist() == [[1.5, 1.0], [0.25, 4.0]] and read.y.tolist() == [0, 1]
    assert [record.message.split(": ")[1] for record in caplog.records] == [
        "4 of 6 rows lack a value and are left out"
    ] * 2
    refused(save(GAPS.assign(a=None)), "holds 0 of the at least 2", missing="drop", label="kind")


def test_means_of_the_training_split_stand_for_missing_values_in_all_splits(save, caplog):
    rng = np.random.default_rng(0)
    x = np.where(rng.random((200, 2)) < 0.1, np.nan, rng.normal(size=(200, 2)).astype(np.float32))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(row=range(200))
    own = pd.DataFrame({"a": [None, 1.0], "b": [2.0, None], "row": [0, 1]})
    source = Table(path=save(frame), test_path=save(own, "own"), missing="mean", val_fraction=0.5)
    parts = source.parts(seed=0)
    train, val, test = (parts[split].everything().x.numpy() for split in ("train", "val", "test"))
    means = np.nanmean(x[train[:, 2].astype(int)], axis=0)
    assert not np.allclose(means, np.nanmean(x, axis=0), atol=0.01)
    for part in (train, val):
        rows = x[part[:, 2].astype(int)]
        np.testing.assert_allclose(part[:, :2], np.where(np.isnan(rows), means, rows), rtol=1e-5)
    np.testing.assert_allclose(test, [[means[0], 2, 0], [1, means[1], 1]], rtol=1e-5)
    np.testing.assert_allclose(source.found()["fill"][:2], means, rtol=1e-5)
    assert f"stand for {np.isnan(x).sum() + 2} missing values" in caplog.records[0].message


def test_means_need_a_value_and_columns_that_vary(save):
    empty = GAPS.assign(a=[None] * 6, b=range(6), kind=list("xyxyxy"))
    with pytest.raises(ValueError, match=r"no training example has a value in a: .*data\.drop=\[a\]"):
        Table(path=save(empty), label="kind", missing="mean").parts(0)
    same = GAPS.assign(a=[2.0, None, 2.0, 2.0, None, 2.0])
    refused(save(same), "constant in all training examples: a", missing="mean", drop=["kind"])


def test_a_column_of_text_that_is_probably_the_label_is_named(save):
    words = [f"word {i}" for i in range(5)]
    refused(save(FRAME.assign(word=words)), "'kind' holds the labels", "data.label=kind", "[kind,word]")
    refused(save(FRAME.assign(word=words)), "not numeric: word", label="kind")
    with pytest.raises(ValueError, match=r"not numeric: word: leave such columns out"):
        read_table(save(FRAME.assign(word=words).drop(columns="kind")))


def test_a_column_of_numbers_with_a_text_in_it_is_refused_with_its_place(save):
    refused(
        save(FRAME.assign(height=["1.5", "2", "?", "-.5e3", "4"])), "'height'", "'?' in row 2", label="kind"
    )


@pytest.mark.parametrize("value", [1e30, -1e25])
def test_a_huge_value_that_stands_alone_is_refused_with_its_row_and_column(save, value):
    path = save(FRAME.assign(height=[1, 2, value, 4, 3]))
    refused(path, "row 2, column 'height'", f"{value:g}", "data.drop=[height]", label="kind")
    all_huge = read_table(save(FRAME.assign(height=[1e30, 2e30, 3e30, 4e30, 9e30])), label="kind")
    assert all_huge["train"].x[:, 0].max() == np.float32(9e30)


def test_names_are_shown_without_what_moves_a_cursor(tmp_path):
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    FRAME.to_csv(folder / "t.csv", index=False)
    with pytest.raises(ValueError, match=r"a\\x1b\[2Jb/t\.csv: not numeric: kind"):
        read_table(folder / "t.csv")
