"""The figures of a run, once more."""

import json
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits

DIGITS = (load_digits().images / 16).astype(np.float32)[:, None]


@pytest.mark.parametrize("name", ["digits_run", "table_run"])
def test_its_own_figures_are_those_of_metrics_json_to_the_last_digit(contractive, request, name, tmp_path):
    run = request.getfixturevalue(name)
    moved = shutil.copytree(run, tmp_path / "elsewhere")
    said = contractive("evaluate", moved, "-o", tmp_path / "figures.json")
    found, kept = (json.loads(p.read_text()) for p in (tmp_path / "figures.json", run / "metrics.json"))
    assert {"test/loss", "test/penalty", "val/reconstruction"} <= found.keys()
    assert found.items() <= kept.items()
    assert {*kept} - {*found} == {"epochs", "best_epoch", "seconds"}
    assert all(f"{value!r}" in said for value in found.values())


def test_those_on_other_data_are_their_averages(contractive, digits_run, tmp_path):
    figures = []
    for name, x in (("a", DIGITS[:300]), ("b", DIGITS[300:400]), ("both", DIGITS[:400])):
        np.save(tmp_path / f"{name}.npy", x)
        out = tmp_path / f"{name}.json"
        contractive("evaluate", digits_run, tmp_path / f"{name}.npy", "-o", out)
        figures.append(json.loads(out.read_text()))
    for term in ("test/loss", "test/reconstruction", "test/penalty"):
        a, b, both = (each[term] for each in figures)
        assert both == pytest.approx((3 * a + b) / 4, rel=1e-5)


def test_data_that_are_not_there_any_more_are_told_with_the_remedy(contractive, table_run, tmp_path):
    moved = shutil.copytree(table_run, tmp_path / "elsewhere")
    config = moved / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("tumours.csv", "gone.csv"))
    with pytest.raises(FileNotFoundError, match=r"data\.path: there is nothing at .*gone\.csv.*name DATA"):
        contractive("evaluate", moved)
    shutil.rmtree(config.parent)
    with pytest.raises(ValueError, match=r"no \.hydra/config\.yaml says what its data were: name DATA"):
        contractive("evaluate", moved)
