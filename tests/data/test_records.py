"""Where the records of a .csv file begin and end; Python's csv module says what is right."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contractive.data import records
from contractive.data.records import find_records


def by_python(content: bytes) -> list[list[str]]:
    """The records of a file as Python's csv module reads them, without empty lines."""
    text = io.StringIO(content.decode("utf-8-sig", "surrogateescape"), newline="")
    return [record for record in csv.reader(text) if record]


def found(path, content: bytes):
    path.write_bytes(content)
    return find_records(path)


characters = st.text(alphabet='",\n\ra', max_size=30).map(str.encode)


@settings(max_examples=2000, deadline=None)
@given(content=characters, block=st.integers(1, 7))
@example(b'a,"b""', 6)
@example(b'"""",""\n"a""b"', 4)
def test_the_records_are_those_of_pythons_csv_module(tmp_path_factory, content, block):
    path = tmp_path_factory.getbasetemp() / "records.csv"
    records.BLOCK_BYTES, before = block, records.BLOCK_BYTES
    try:
        read = found(path, content)
    except ValueError:
        # Only what the module forgives when it is not asked to be strict.
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    else:
        expected = by_python(content)
        assert read.count == len(expected)
        assert read.broken == any(set(value) & set("\r\n") for record in expected for value in record)
    finally:
        records.BLOCK_BYTES = before


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path):
    for before, line in ((b"", 2), (b'"x\n""y\r\rz",\n', 6)):
        with pytest.raises(ValueError, match=rf"records\.csv: the quote in line {line} is never closed"):
            found(tmp_path / "records.csv", b"a,b\n" + before + b'1,"2\n3,4\n"",6\n')


def test_a_quote_that_is_closed_by_the_next_ones_is_refused_with_its_line(tmp_path):
    with pytest.raises(ValueError, match=r"in line 3 is closed in line 4, in the middle of a value"):
        found(tmp_path / "records.csv", b'a,b\n1,"x"\n2,"\n3,"y"\n4,"z"\n')


def test_a_value_of_very_many_lines_is_told(tmp_path, caplog):
    value = b"\n" * 101
    assert found(tmp_path / "records.csv", b'a,b\n1,"2' + value + b'"\n3,4\n').count == 3
    (record,) = caplog.records
    assert "begins in line 2 goes on for 101 lines" in record.message
