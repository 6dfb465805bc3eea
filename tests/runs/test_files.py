"""Files that are there whole or not at all."""

import os
import stat

import pytest

from contractive.runs.files import remove_unfinished, unfinished, write_atomically


@pytest.mark.parametrize("content", ["σ₁ = 2\r\n", b"\x89PNG\r\n\0"])
def test_a_file_holds_what_was_written_and_nothing_lies_beside_it(tmp_path, content):
    path = tmp_path / "new" / "folder" / "file.txt"
    assert write_atomically(path, content) == path
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_when_writing_fails(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "file", "before")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_the_name_is(tmp_path, monkeypatch):
    path = tmp_path / "file"
    synced = []

    def fsync(descriptor):
        assert not path.exists()
        assert os.fstat(descriptor).st_size == 5
        synced.append(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(path, "12345")
    assert len(synced) == 1


def test_a_reader_that_has_opened_the_old_file_reads_it_to_its_end(tmp_path):
    path = write_atomically(tmp_path / "file", "old " * 1000)
    with path.open() as file:
        file.read(4)
        write_atomically(path, "new")
        assert file.read() == "old " * 999
    assert stat.S_ISREG(path.stat().st_mode)


def test_what_is_written_in_pieces_is_there_at_the_end_only(tmp_path):
    path = write_atomically(tmp_path / "x.npy", "before")
    with unfinished(path) as beside:
        assert beside.suffix == path.suffix
        beside.write_text("half of it")
        assert path.read_text() == "before"
    assert path.read_text() == "half of it"

    def interrupted():
        with unfinished(path) as beside:
            beside.write_text("lost")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "half of it"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_left_half_written_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    left = [tmp_path / ".metrics.123.tmp.json", tmp_path / "checkpoints" / ".last.123.tmp.ckpt"]
    others = [tmp_path / ".notes.tmp", tmp_path / "checkpoints" / ".mine.tmpfile"]
    for path in left + others:
        path.touch()
    remove_unfinished(tmp_path)
    assert [path.exists() for path in left + others] == [False, False, True, True]
