"""Tables as files; Python's csv module says which rows there are."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from contractive.data import tables
from contractive.data.records import Records
from contractive.data.tables import TableStream, read_table

ROWS = 60_000  # of text that is more than pyarrow reads at once


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).normal(size=(ROWS, 2)).round(6).tolist()
    return [["x", "name", "y"], *([str(a), f"class {i % 7}", str(b)] for i, (a, b) in enumerate(x))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.csv"


def by_python(path) -> list[list[str]]:
    """The records of a file as Python's csv module has them, without empty lines."""
    with path.open(newline="") as file:
        return [record for record in csv.reader(file) if record]


@pytest.fixture(autouse=True)
def fields_of_any_size():
    before = csv.field_size_limit(2**30)
    yield
    csv.field_size_limit(before)


def check_rows(path) -> None:
    """What is read, at once and in pieces, is what Python's csv module finds."""
    names, *expected = by_python(path)
    table, stream = read_table(path), TableStream(path)
    assert table.column_names == stream.names == names
    assert table.num_rows == stream.count == len(expected)
    pieces = list(stream.batches(stream.types(names), 1000))
    for i, name in enumerate(names):
        kind = str if pa.types.is_string(table[name].type) else float
        values = [kind(record[i]) for record in expected]
        assert table[name].to_pylist() == values
        assert [value for piece in pieces for value in piece[name].to_pylist()] == values


@pytest.mark.parametrize("at", [1, ROWS // 2, ROWS])
def test_a_quote_too_many_loses_no_row(path, rows, at):
    lines = [",".join(row) for row in rows]
    for name in ("5'2\"", 'cl"ass', 'class"'):  # a character like others
        lines[at] = f"1.5,{name},2.5"
        path.write_text("\n".join(lines))
        table = read_table(path)
        assert table.num_rows == len(by_python(path)) - 1 == ROWS and table["name"][at - 1].as_py() == name
    for line in ('1.5,"class,2.5', '1.5,class,"2.5', '"1.5,class,2.5'):
        lines[at] = line
        path.write_text("\n".join(lines))
        for read in (read_table, TableStream):
            with pytest.raises(ValueError, match=rf"t\.csv: the quote in line {at + 1} is never closed"):
                read(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_commas_quotes_and_line_breaks_in_values_are_read_in_a_table_of_any_size(path, rows, end):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator=end)
        writer.writerows([x, name.replace(" ", ',"\n\r\n""'), y] for x, name, y in rows)
    check_rows(path)


def test_empty_lines_are_no_rows(path):
    path.write_text("\n\na,b\n\n1,2\r\n\r\n3,4\n\n\n")
    check_rows(path)


def test_rows_of_any_length_are_read(path):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["x", "text"], [1, "a"], [2, "b, c\n" * 600_000], [3, "d"]])
    check_rows(path)
    many = [[f"c{i}" for i in range(10_000)], *np.arange(1_020_000).reshape(102, -1).tolist()]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(many)
    assert read_table(path).num_rows == TableStream(path).count == 102


def test_a_row_that_is_longer_than_can_be_read_is_refused(path, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST", 1 << 10)
    path.write_text("a,b\n1,2\n" + 500 * "1234," + "5\n")
    with pytest.raises(ValueError, match=r"t\.csv: has a row of 0\.0 GiB of text"):
        read_table(path)


def test_rows_that_are_not_all_read_are_refused(path, monkeypatch):
    monkeypatch.setattr(tables, "find_records", lambda path: Records(5, 10))
    path.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(ValueError, match=r"t\.csv: 2 rows were read of the 4 that it has"):
        read_table(path)
    with pytest.raises(ValueError, match=r"t\.csv: 2 rows were read of the 4 that it has"):
        list(TableStream(path).batches({"a": pa.float64(), "b": pa.float64()}, 10))


def test_of_a_table_in_pieces_a_piece_is_in_memory(tmp_path):
    x = np.random.default_rng(0).normal(size=(400_000, 10)).astype(np.float32)
    path, most = tmp_path / "t.parquet", 0
    whole = pa.table({f"c{i}": x[:, i] for i in range(10)})
    pa.parquet.write_table(whole, path, row_group_size=len(x), use_dictionary=False)
    stream = TableStream(path)
    before = pa.total_allocated_bytes()
    for _ in stream.batches(stream.types(stream.names), 1000):
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < x.nbytes / 3


def test_a_column_in_pieces_is_text_if_not_all_of_it_is_what_its_beginning_is(path):
    path.write_text("a,b\n" + "1,2\n" * 400_000 + "x,2.5\n")
    stream = TableStream(path)
    assert stream.types(["b"]) == {"b": pa.string()} and stream.types([]) == {}
    assert [piece["b"][-1].as_py() for piece in stream.batches(stream.types(["b"]), 2**30)][-1] == "2.5"
    with pytest.raises(ValueError, match=r"t\.csv: is no \.csv table, or broken .*'x'"):
        list(stream.batches({"a": pa.float64()}, 1000))
