"""Files of a run's directory that hold what no run wrote."""

import json
import os
import random
import re
import struct
import tracemalloc
import zlib
from html import unescape

import pytest
import yaml

from contractive.report import write_report
from contractive.runs.reading import read_run
from contractive.runs.untrusted import MOST_BYTES, parse_yaml
from tests.report.test_report import make_run


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


LAUGHS = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 9))
HOSTILE = [
    ("metrics.json", b"[" * 100_000, "metrics.json cannot be read (maximum recursion depth"),
    ("metrics.json", b'{"a":' * 100_000, "metrics.json cannot be read (maximum recursion depth"),
    ("metrics.json", b'{"a": ' + b"9" * 10_000 + b"}", "metrics.json cannot be read (Exceeds the limit"),
    ("metrics.json", b'{"test/penalty": ' + b"9" * 400 + b"}", "and no test/penalty"),
    ("metrics.json", b" " * (MOST_BYTES + 1), "metrics.json cannot be read (it is larger than 4 MiB)"),
    ("metrics.json", b"\xff\xfe\x00", "metrics.json cannot be read ('utf-8' codec"),
    (
        "metrics.json",
        json.dumps(
            {"test/reconstruction": 1, "test/penalty": 2} | {f"m{i}": i for i in range(9_000)}
        ).encode(),
        "metrics.json holds 9002 numbers: the first 100 are read",
    ),
    ("geometry.json", b"[" * 100_000, "geometry.json cannot be read (maximum recursion depth"),
    (
        "geometry.json",
        b'{"spectrum": [' + b"9" * 400 + b'], "radii": [], "ratios": {}}',
        "geometry.json does not hold",
    ),
    (".hydra/config.yaml", b"[" * 100_000, "config.yaml cannot be read (maximum recursion depth"),
    (".hydra/config.yaml", f"l0: &l0 lol\n{LAUGHS}".encode(), "config.yaml cannot be read (it refers to"),
    (".hydra/config.yaml", b"a: &a {b: *a}\n", "it refers to a part of itself in line 1"),
    (".hydra/config.yaml", b"a: !!int ''\n", "config.yaml cannot be read"),
    (".hydra/config.yaml", b"a: !!timestamp never\n", "config.yaml cannot be read"),
    (".hydra/config.yaml", b"a: !!bool perhaps\n", "config.yaml cannot be read"),
    (".hydra/config.yaml", b"!!python/object/apply:os.getcwd []\n", "config.yaml cannot be read"),
    (".hydra/overrides.yaml", b"\x00\x01\x02", "overrides.yaml cannot be read"),
    ("curves.csv", b"epoch,step,loss\r\n1,10," + b"1" * 200_000, "curves.csv cannot be read (line 2"),
    ("curves.csv", b'"' * 200_000, "curves.csv cannot be read (line 2"),
    ("curves.csv", b"epoch,step\r\nnan,1\r\n", "curves.csv cannot be read (line 2"),
    ("curves.csv", b"epoch,step\r\n1,inf\r\n", "curves.csv cannot be read (line 2"),
    (
        "pictures/filters.png",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "filters is damaged (cannot identify",
    ),
    ("pictures/filters.png", png(60_000, 60_000), "the picture filters is damaged (Image size"),
    ("pictures/filters.png", png(5_000, 5_000), "filters is damaged (it has 5000 × 5000 pixels)"),
    ("pictures/filters.png", png(2**31 - 1, 1), "the picture filters is damaged"),
    ("pictures/filters.png", png(40, 40)[:50], "the picture filters is damaged"),
    ("error.txt", b"\x1b[31m" + b"E" * 10**6, "failed: \\x1b[31mEEEE"),
]


def test_whatever_a_file_holds_is_named_and_the_rest_told(tmp_path, caplog):
    make_run(tmp_path / "whole", 0.0)
    for number, (file, content, _) in enumerate(HOSTILE):
        (make_run(tmp_path / str(number), 0.1) / file).write_bytes(content)
    page = write_report(tmp_path)
    told = unescape(page.read_text())
    logged = [record.getMessage() for record in caplog.records]
    for number, (_, _, said) in enumerate(HOSTILE):
        assert any(line.startswith(f"{number}: ") and said in line for line in logged) or "failed" in said
        assert re.search(rf"<li>{number}: .*{re.escape(said)}", told), said
    assert not [line for line in logged if line.startswith("whole")]
    assert f"{len(HOSTILE) + 1} runs" in told and "\x1b" not in told
    assert page.stat().st_size < 10_000_000


def test_a_file_without_an_end_takes_no_memory(tmp_path):
    run = make_run(tmp_path / "run", 0.1)
    for name in ("curves.csv", "metrics.json", "error.txt"):
        with (run / name).open("ab") as file:
            file.truncate(200_000_000)
    tracemalloc.start()
    assert len(read_run(run, "run").warnings) == 2
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


def test_an_event_file_of_any_kind_is_nobodys_business(tmp_path, caplog):
    run = make_run(tmp_path / "run", 0.1)
    (run / "events.out.tfevents.1.x.1.0").write_bytes(struct.pack("<Q", 2**62) + b"\0" * 20)
    write_report(tmp_path)
    assert caplog.records == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize(
    "file",
    [".hydra/config.yaml", "metrics.json", "geometry.json", "curves.csv", "error.txt", "pictures/mine.png"],
)
def test_what_is_no_file_is_not_waited_for(tmp_path, make, file):
    path = make_run(tmp_path / "run", 0.1) / file
    path.unlink(missing_ok=True)
    make(path)
    run = read_run(tmp_path / "run", "run")
    if file == "pictures/mine.png":
        assert list(run.pictures) == ["reconstructions", "filters"]
    else:
        assert any(path.name in warning for warning in run.warnings)


def test_names_with_markup_controls_or_no_characters_are_shown_as_such(tmp_path, caplog):
    name = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
    run = make_run(tmp_path / name, 0.1)
    os.rename(run / "pictures" / "mine.png", os.fsencode(run) + b"/pictures/\xff\xfe.png")
    metrics = {"test/reconstruction": 1.0, "test/penalty": 2.0, "<b>\x07\ud800": 3.0}
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / ".hydra" / "config.yaml").write_text('model: {lam: 0.5, "<i>\\e": "\\uD800</script>"}\n')
    os.makedirs(os.fsencode(tmp_path) + b"/\xff/.hydra")
    page = write_report(tmp_path).read_bytes().decode()
    assert "<img src=x" not in page and "<b>" not in page and "</script>\n<i>" not in page
    said = page + " ".join(record.getMessage() for record in caplog.records)
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "\\x1b[2J\\u202e" in page and "\\udcff" in page


def test_what_refers_to_nothing_is_read_as_any_other_reader_does():
    text = "a: [1, 0.5, 1e-3, null, true, '&x *y']\nb: {c: 2020-01-02, d: &unused text}\n"
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("seed", range(8))
def test_a_run_with_files_altered_at_random_is_told(tmp_path, seed):
    """Bytes are overwritten, removed, repeated and put in, in each kind of file."""
    rng = random.Random(seed)
    for number in range(6):
        run = make_run(tmp_path / str(number), 0.1)
        for path in sorted(path for path in run.rglob("*") if path.is_file()):
            data = bytearray(path.read_bytes())
            for _ in range(rng.choice([0, 1, 3, 30])):
                at = rng.randrange(len(data) + 1)
                length = rng.choice([1, 4, 40])
                new = rng.choice(
                    [
                        b"",
                        rng.randbytes(length),
                        bytes(data[at : at + length]) * 3,
                        b"\0",
                        b"9e999",
                        b"[{&*!<",
                        b"\n",
                    ]
                )
                data[at : at + rng.choice([0, length])] = new
            path.write_bytes(data)
    page = write_report(tmp_path)
    assert "6 runs" in page.read_text()
