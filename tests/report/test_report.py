"""The report about directories of runs that are whole, unfinished, failed, damaged or of another version."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contractive.palette import COLOURS
from contractive.report import gallery, write_report
from contractive.runs.curves import CurveWriter
from contractive.runs.directory import find_runs
from contractive.runs.reading import read_run

EPOCHS, STEPS = 4, 10
PENALTY = {0.0: 9.0, 0.001: 5.0, 0.1: 2.0, 1.0: 0.1}
RECONSTRUCTION = {0.0: 1.0, 0.001: 1.5, 0.1: 1.4, 1.0: 6.0}  # at 0.001 beaten by 0.1


def make_run(directory: Path, lam: float, *, finished: bool = True, side: int = 40) -> Path:
    """A run's directory as training leaves it."""
    (directory / ".hydra").mkdir(parents=True)
    (directory / ".hydra" / "overrides.yaml").write_text(f"- model.lam={lam}\n- +note=a,b\n")
    config = f"seed: 0\nmodel:\n  lam: {lam}\n  hidden: [5]\noptimizer:\n  lr: 0.001\nnote: a,b\n"
    (directory / ".hydra" / "config.yaml").write_text(config)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    penalty, reconstruction = PENALTY.get(lam, lam), RECONSTRUCTION.get(lam, 1 / (1 + lam))
    curves = CurveWriter(directory, step=0)
    for epoch in range(1, EPOCHS + 1):
        terms = {"reconstruction": reconstruction + EPOCHS + 1 - epoch, "penalty": penalty}
        row = {f"val/{term}": value for term, value in terms.items()}
        row |= {f"train/{term}": value for term, value in terms.items()}
        curves.add({"epoch": epoch, "step": epoch * STEPS} | row)
    (directory / "pictures").mkdir()
    for tag in ("reconstructions", "filters", "mine"):
        Image.fromarray(pixels).save(directory / "pictures" / f"{tag}.png")
    if finished:
        metrics = {
            "test/reconstruction": reconstruction,
            "test/penalty": penalty,
            "test/loss": 0.5,
            "epochs": 4,
        }
        (directory / "metrics.json").write_text(json.dumps(metrics))
        geometry = {
            "epoch": 4,
            "spectrum": [2.0, 1.0, 0.01],
            "radii": [0.1, 1.0],
            "ratios": {"random directions": [0.5, 0.3], "towards the nearest neighbour": [0.6, 0.4]},
            "effective_rank": 2.1,
        }
        (directory / "geometry.json").write_text(json.dumps(geometry))
    return directory


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Ten jobs' numbers apart, so that their order by name is not that by number."""
    directory = tmp_path_factory.mktemp("multirun")
    for job, lam in zip((2, 10, 1, 3), PENALTY):
        make_run(directory / str(job), lam)
    return directory


def test_the_whole_sweep_is_told_without_a_warning(sweep, caplog):
    page = write_report(sweep)
    assert page == sweep / "report.html"
    assert caplog.records == []
    assert "<p>4 runs.</p>" in page.read_text()
    assert [path.name for path in sweep.glob("*.tmp")] == []


def test_the_table_holds_overrides_and_figures_in_the_order_of_lam(sweep):
    write_report(sweep)
    with (sweep / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["2", "10", "1", "3"]
    assert [float(row["model.lam"]) for row in rows] == sorted(PENALTY)
    assert [float(row["test/penalty"]) for row in rows] == [PENALTY[lam] for lam in sorted(PENALTY)]
    assert rows[0]["note"] == "a,b"
    assert rows[0]["effective_rank"] == "2.1"


def test_runs_are_found_at_any_depth_in_the_order_of_their_numbers(tmp_path):
    for name in ("night/10", "night/9", "day/run"):
        make_run(tmp_path / name, 0.0, finished=False)
    (tmp_path / "night" / "9" / "00040" / "code").mkdir(parents=True)
    found = [path.relative_to(tmp_path).as_posix() for path in find_runs(tmp_path)]
    assert found == ["day/run", "night/9", "night/10"]
    assert find_runs(tmp_path / "night" / "9") == [tmp_path / "night" / "9"]


def test_a_curve_counts_epochs_from_one(sweep):
    run = read_run(sweep / "2", "2")
    assert run.curve("val/penalty") == ([1, 2, 3, 4], [9.0] * 4)
    assert run.result("reconstruction") == 1.0


def test_of_a_run_that_has_not_finished_the_last_validation_counts(tmp_path):
    run = read_run(make_run(tmp_path / "run", 0.1, finished=False), "run")
    assert run.status == "not finished"
    assert run.result("reconstruction") == pytest.approx(RECONSTRUCTION[0.1] + 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-3],
        lambda data: data[:-1],
        lambda data: data[:150] + b"\xff" * 10 + data[160:],
        lambda data: data[:150] + b"\0" * 100,
    ],
    ids=["cut off", "without its last end of line", "overwritten", "zeroed"],
)
def test_broken_curves_are_named_and_read_as_far_as_they_go(tmp_path, caplog, damage):
    make_run(tmp_path / "whole", 0.0)
    broken = make_run(tmp_path / "broken", 0.1) / "curves.csv"
    whole = read_run(broken.parent, "").curves
    broken.write_bytes(damage(broken.read_bytes()))
    page = write_report(tmp_path).read_text()
    (record,) = caplog.records
    said = "broken: curves.csv cannot be read (line"
    assert record.getMessage().startswith(said) and "is damaged or cut off" in record.getMessage()
    assert said in page
    read = read_run(broken.parent, "").curves
    assert len(read) < EPOCHS
    assert read == whole[: len(read)]


def test_of_a_run_without_curves_the_rest_is_told(tmp_path, caplog):
    (make_run(tmp_path / "old", 0.1) / "curves.csv").unlink()
    page = write_report(tmp_path).read_text()
    said = "old: there is no curves.csv, so no curves: was it written by another version?"
    assert [record.getMessage() for record in caplog.records] == [said]
    assert said in page and "<p>1 run.</p>" in page


def test_every_picture_of_a_run_is_shown_in_the_order_in_which_they_were_drawn(sweep):
    page = write_report(sweep).read_text()
    shown = re.findall(r'alt="(\w+) of 2"', page)
    assert shown == ["reconstructions", "filters", "mine"]


def test_a_damaged_picture_is_left_out_and_named(tmp_path, caplog):
    path = make_run(tmp_path / "run", 0.0) / "pictures" / "reconstructions.png"
    data = bytearray(path.read_bytes())
    data[40:400] = bytes(360)
    path.write_bytes(data)
    page = write_report(tmp_path).read_text()
    assert [
        r.getMessage() for r in caplog.records if "the picture reconstructions is damaged" in r.getMessage()
    ]
    assert "filters of run" in page
    assert "reconstructions of run" not in page


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.json", None, "there is no metrics.json"),
        ("metrics.json", "{", "metrics.json cannot be read"),
        ("metrics.json", "[1]", "metrics.json cannot be read (it holds no dict)"),
        (
            "metrics.json",
            '{"loss": 1.0}',
            "metrics.json has no number test/reconstruction and no test/penalty",
        ),
        (
            "metrics.json",
            '{"test/reconstruction": "low", "test/penalty": null}',
            "has no number test/reconstruction and no test",
        ),
        (
            "geometry.json",
            '{"sigma": [1.0]}',
            "geometry.json does not hold spectrum, radii and ratios: was it written",
        ),
        ("geometry.json", '{"spectrum": 3, "radii": "x", "ratios": [1]}', "geometry.json does not hold"),
        (".hydra/config.yaml", "model: [", "config.yaml cannot be read"),
        (".hydra/config.yaml", None, "config.yaml cannot be read (No such file or directory)"),
        (".hydra/overrides.yaml", "model.lam: 3", "overrides.yaml cannot be read (it holds no list)"),
    ],
)
def test_what_is_missing_broken_or_of_another_version_is_named_and_the_rest_told(
    tmp_path, caplog, file, content, said
):
    make_run(tmp_path / "whole", 0.0)
    path = make_run(tmp_path / "odd", 0.1) / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    page = write_report(tmp_path).read_text()
    assert any(r.getMessage().startswith("odd: ") and said in r.getMessage() for r in caplog.records)
    assert "2 runs" in page
    with (tmp_path / "report.csv").open() as file:
        assert {row["run"] for row in csv.DictReader(file)} == {"whole", "odd"}


def test_a_failed_run_is_shown_as_such(tmp_path):
    make_run(tmp_path / "0", 0.0)
    failed = make_run(tmp_path / "1", 0.1, finished=False)
    (failed / "error.txt").write_text("error: train/loss became nan at step 7 <&>\n")
    page = write_report(tmp_path).read_text()
    assert "2 runs, 1 of them finished." in page
    assert "1: failed: error: train/loss became nan at step 7 &lt;&amp;&gt;" in page
    with (tmp_path / "report.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)][1].startswith("failed: ")


def test_a_sweep_that_failed_altogether_still_has_a_page(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "error.txt").write_text("error: out of memory\n")
    assert "failed: error: out of memory" in write_report(tmp_path).read_text()


def test_a_directory_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no runs: name a directory"):
        write_report(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        write_report(tmp_path / "nowhere")


def test_the_page_needs_nothing_from_elsewhere(sweep):
    page = write_report(sweep).read_text()
    assert re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=(?!\"data:)[^>]*>", page) == []


def test_a_hundred_runs_fit_into_ten_megabytes(tmp_path):
    first = make_run(tmp_path / "0", 0.0)
    for job in range(1, 100):
        run = tmp_path / str(job)
        (run / ".hydra").mkdir(parents=True)
        for name in (".hydra/overrides.yaml", ".hydra/config.yaml"):
            text = (
                (first / name).read_text().replace("lam=0.0", f"lam={job}").replace("lam: 0.0", f"lam: {job}")
            )
            (run / name).write_text(text)
        (run / "pictures").mkdir()
        pictures = [path.relative_to(first).as_posix() for path in first.glob("pictures/*")]
        for name in ("metrics.json", "geometry.json", "curves.csv", *pictures):
            (run / name).hardlink_to(first / name)
    assert write_report(tmp_path).stat().st_size < 10_000_000


def test_pictures_take_the_bytes_that_there_are_and_what_has_no_room_is_told(tmp_path, monkeypatch, caplog):
    for job in range(4):
        make_run(tmp_path / str(job), 0.0, side=200)
    whole = len(write_report(tmp_path).read_text())
    for allowed, shown in ((60_000, 12), (10_000, 5)):
        monkeypatch.setattr(gallery, "BUDGET", allowed)
        caplog.clear()
        page = write_report(tmp_path).read_text()
        pictures = re.findall(r"data:image/webp;base64,([^\"]*)", page)
        assert len(pictures) == shown
        assert sum(map(len, pictures)) < 4 / 3 * allowed + 4 * shown
        assert len(page) < whole
    # Three pictures a run: of the second run some have no room, and none of those after it.
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["1", "2", "3"]


def test_no_picture_is_wider_than_it_can_be_seen(tmp_path):
    make_run(tmp_path / "0", 0.0, side=1500)
    pictures = re.findall(r"data:image/webp;base64,([^\"]*)", write_report(tmp_path).read_text())
    assert len(pictures) == 3
    for picture in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (gallery.WIDEST, gallery.WIDEST)


def test_the_command_line_writes_the_report_without_torch(sweep):
    code = (
        "import runpy, sys; sys.argv = ['report.py', sys.argv[1]];"
        "runpy.run_path('report.py', run_name='__main__'); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(sweep)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Written to {sweep / 'report.html'}" in done.stdout


def test_the_command_line_says_a_mistake_in_one_line(tmp_path):
    done = subprocess.run([sys.executable, "report.py", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_picture_is_named_by_what_sets_its_run_apart_and_the_first_kind_is_open(tmp_path):
    for job, lam in enumerate((0.1, 0.2)):
        make_run(tmp_path / f"job{job}", lam)
    page = write_report(tmp_path).read_text()
    assert re.findall(r"<figcaption>(.*?)</figcaption>", page)[:2] == ["lam=0.1", "lam=0.2"]
    folds = re.findall(r"<details( open)?><summary>(\w+)</summary>", page)
    assert [bool(is_open) for is_open, _ in folds] == [True, False, False]


@pytest.mark.parametrize(("runs", "told"), [(20, False), (21, True)])
def test_where_not_all_buttons_are_seen_a_line_tells_what_the_colours_do(tmp_path, runs, told):
    for job in range(runs):
        make_run(tmp_path / str(job), (0.0, 0.1, 0.25)[job % 3])
    page = write_report(tmp_path).read_text()
    lines = re.findall(r"<p class=\"note\">lam: (.*?)</p>", page)
    assert [re.sub("<.*?>", "", line) for line in lines] == ([" 0,  0.1,  0.25"] if told else [])
    if told:
        assert re.findall(r'stroke="(.*?)"', lines[0]) == list(COLOURS[:3])


def test_few_remarks_are_open_and_many_are_folded(tmp_path):
    for job in range(11):
        make_run(tmp_path / str(job), 0.1, finished=False)
        page = write_report(tmp_path).read_text()
        remarks = page[page.index('class="warnings"') :]
        shown = remarks[: remarks.index("</details>")].count("<li>")
        assert shown == 2 * (job + 1)
        assert remarks.startswith('class="warnings" open') == (shown <= 20)
