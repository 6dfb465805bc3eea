"""Runs as training leaves them, read back."""

import json

import pytest

from contractive.report import write_report
from contractive.runs.reading import flat, read_run

SHORT = ("model.hidden=[6]", "trainer.max_epochs=2", "callbacks=default")


@pytest.mark.parametrize("logger", ["none", "csv", "tensorboard"])
def test_a_run_can_be_read_whatever_its_logger(train, caplog, logger):
    directory = train(*SHORT, f"logger={logger}", "model.lam=0.5")
    caplog.clear()
    run = read_run(directory, "run")
    assert run.warnings == []
    assert (run.status, run.lam) == ("finished", 0.5)
    epochs, losses = run.curve("val/loss")
    assert epochs == [1, 2]
    metrics = json.loads((directory / "metrics.json").read_text())
    assert losses[int(metrics["best_epoch"]) - 1] == pytest.approx(metrics["val/loss"], rel=1e-5)
    assert run.curve("train/penalty")[0] == [1, 2]
    assert len(run.geometry.spectrum) == 6
    assert list(run.pictures) == [
        *("reconstructions", "filters", "corrupted", "spectrum", "contraction_ratio"),
        *("tangents", "tangent_walks", "samples"),
    ]
    page = write_report(directory).read_text()
    assert caplog.records == []
    assert all(f'alt="{tag} of run"' in page for tag in run.pictures)


def test_settings_are_named_by_where_they_lie():
    nested = {"model": {"penalty": {"method": "auto"}, "hidden": [5], "hessian": {}}, "seed": None}
    assert flat(nested) == {"model.penalty.method": "auto", "model.hidden": [5], "seed": None}
