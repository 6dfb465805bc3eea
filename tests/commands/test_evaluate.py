"""The figures of a run, once more."""

import json
import shutil

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from contractive import ContractiveAutoencoder, loss

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


@pytest.mark.usefixtures("in_pieces")
def test_those_on_other_data_are_averages_over_all_of_their_examples(contractive, digits_run, tmp_path):
    x = 1 - DIGITS[:100]
    np.save(tmp_path / "x.npy", x)
    contractive("evaluate", digits_run, tmp_path / "x.npy", "-o", tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text())
    model = ContractiveAutoencoder.load_from_checkpoint(digits_run / "checkpoints" / "best.ckpt")
    expected = {f"test/{name}": term.item() for name, term in loss(model, torch.from_numpy(x), 0.1).items()}
    assert found == pytest.approx(expected, rel=1e-5)


def test_data_that_are_not_there_any_more_are_told_with_the_remedy(contractive, table_run, tmp_path):
    moved = shutil.copytree(table_run, tmp_path / "elsewhere")
    config = moved / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("tumours.csv", "gone.csv"))
    with pytest.raises(FileNotFoundError, match=r"data\.path: there is nothing at .*gone\.csv.*name DATA"):
        contractive("evaluate", moved)
    (config.parent / "hydra.yaml").write_text("hydra: {runtime: {cwd: /home/me}}")
    with pytest.raises(FileNotFoundError, match=r"gone\.csv.*; the run was made in /home/me: go there, or"):
        contractive("evaluate", moved)
    shutil.rmtree(config.parent)
    with pytest.raises(ValueError, match=r"no \.hydra/config\.yaml says what its data were: name DATA"):
        contractive("evaluate", moved)
