"""Models from the checkpoints of runs."""

import pandas as pd
import pytest
import torch

from contractive import Autoencoder, ContractiveAutoencoder, DataModule, load_autoencoder
from contractive.data.description import Description
from contractive.runs.checkpoints import read_checkpoint
from contractive.training import fit

SETTINGS = {
    "model": {"hidden": [6, 4], "activation": "tanh", "tied": False, "lam": 0.3},
    "data": {"source": "digits", "scaling": "standard"},
    "trainer": {"max_epochs": 1, "limit_train_batches": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(SETTINGS, directory=tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("load", [load_autoencoder, ContractiveAutoencoder.load_from_checkpoint])
def test_a_model_loaded_for_use_computes_what_the_trained_one_does(run, load):
    model = load(run.best)
    data = DataModule("digits")
    data.setup("fit")
    x, _ = data.examples("val", 10)
    assert not model.training and model.scaler is not None
    torch.testing.assert_close(model.encode(x), run.model.encode(x))
    torch.testing.assert_close(model(x), run.model(x))


@pytest.mark.parametrize("load", [load_autoencoder, ContractiveAutoencoder.load_from_checkpoint])
def test_a_loaded_model_knows_the_names_of_the_columns_that_it_was_trained_on(run, load, tmp_path):
    names = [f"pixel{i}" for i in range(64)]
    checkpoint = read_checkpoint(run.best)
    described = Description("table", [64], False, 0.0, 1.0, columns=names)
    torch.save(checkpoint | {"data": described.plain()}, tmp_path / "named.ckpt")
    model = load(tmp_path / "named.ckpt")
    frame = pd.DataFrame(torch.rand(3, 64).numpy(), columns=names)
    pd.testing.assert_frame_equal(model.encode(frame[names[::-1]]), model.encode(frame))
    assert list(model.reconstruct(frame)) == names


def test_the_plain_network_carries_nothing_that_trains(run):
    assert type(load_autoencoder(run.last)) is Autoencoder
