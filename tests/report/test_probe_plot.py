"""The curve of the probe over lam."""

import json

import pytest

from contractive.report import write_report
from contractive.report.groups import grouped
from contractive.report.probe_plot import worth
from contractive.runs.reading import read_run
from tests.report.test_report import make_run

LAMS = (0.0, 0.1, 1.0)
PROBED = {0.0: 5.0, 0.1: 3.0, 1.0: 8.0}


@pytest.fixture
def runs(tmp_path):
    for job, lam in enumerate(LAMS):
        path = make_run(tmp_path / str(job), lam) / "metrics.json"
        probed = {"test/probe_error": PROBED[lam], "test/probe_error_se": 0.5, "test/probe_error_raw": 7.0}
        path.write_text(json.dumps(json.loads(path.read_text()) | probed))
    return [read_run(tmp_path / str(job), str(job)) for job in range(len(LAMS))]


def one(runs):
    (group,) = grouped(runs)
    return group


def test_the_error_is_drawn_over_lam_with_that_of_the_inputs_dashed(runs):
    line, inputs = worth(one(runs)).data
    assert list(line.y) == list(PROBED.values()) and list(line.error_y.array) == [0.5] * 3
    assert line.line.dash is None and inputs.line.dash == "dash"
    assert list(inputs.y) == [7.0, 7.0] and list(inputs.x) == [line.x[0], line.x[-1]]
    axis = worth(one(runs)).layout.xaxis
    assert list(axis.ticktext) == ["0", "0.1", "1"]
    assert list(axis.tickvals) == list(line.x) == [-2, -1, 0]


def test_what_differs_between_the_inputs_of_seeds_is_averaged(runs):
    for run, error in zip(runs, (1.0, 2.0, 9.0)):
        run.metrics["test/probe_error_raw"] = error
    assert list(worth(one(runs)).data[1].y) == [4.0, 4.0]


def test_runs_that_differ_in_more_than_lam_have_lines_of_their_own_and_seeds_a_mean(runs):
    for run, rate in zip(runs, (1, 1, 2)):
        run.config["optimizer.lr"] = rate
    first, second, inputs = worth(one(runs)).data
    assert (len(first.x), len(second.x)) == (2, 1) and first.meta["runs"] == [0, 1]
    assert first.showlegend is None and second.showlegend is False
    for run, seed in zip(runs, (1, 1, 2)):
        run.config |= {"optimizer.lr": 1, "seed": seed, "model.lam": 0.1 if seed == 1 else 0.0}
    line, inputs = worth(one(runs)).data
    assert list(line.y) == [8.0, 4.0]


def test_regressions_are_told_by_their_r2(runs):
    for run in runs:
        run.metrics = {"test/probe_r2": 0.5, "test/probe_r2_raw": 0.25}
    line, inputs = worth(one(runs)).data
    assert list(line.y) == [0.5] * 3 and list(inputs.y) == [0.25] * 2
    assert worth(one(runs)).layout.yaxis.rangemode == "normal"  # they may be below zero
    assert "R²" in worth(one(runs)).layout.yaxis.title.text


def test_the_page_has_the_curve_only_where_something_was_probed(runs, tmp_path):
    assert "What the code is worth" in write_report(tmp_path).read_text()
    for run in runs:
        run.metrics = {"test/loss": 1.0}
    assert worth(one(runs)) is None
    make_run(tmp_path / "plain" / "0", 0.1)
    assert "What the code is worth" not in write_report(tmp_path / "plain").read_text()


def test_the_error_of_heads_is_drawn_over_the_weight_of_their_own_contraction(tmp_path):
    config = {"model": {"lam": 0.5}, "data": {"source": "digits"}}
    for number, lam in enumerate([0.0, 0.1, 1.0]):
        folder = tmp_path / str(number)
        (folder / ".hydra").mkdir(parents=True)
        head = {"enabled": True, "contraction": "spectral", "lam": lam}
        (folder / ".hydra/config.yaml").write_text(json.dumps({**config, "head": head}))
        (folder / "metrics.json").write_text(json.dumps({"test/error": 5.0 - number}))
    (group,) = grouped([read_run(tmp_path / str(number), str(number)) for number in range(3)])
    (line,) = worth(group).data
    assert list(line.y) == [5, 4, 3] and list(line.x) == [-2, -1, 0]
    assert group.labels == ["lam=0", "lam=0.1", "lam=1"]
    # Without a contraction there is no lam, and that of the encoder is not one.
    plain = {**config, "head": {"enabled": True, "contraction": "none", "lam": 0.0}}
    (tmp_path / "0/.hydra/config.yaml").write_text(json.dumps(plain))
    run = read_run(tmp_path / "0", "0")
    assert run.lam is None and "model.lam" not in run.config
