"""What the penalty does to the geometry of an encoder that has learnt real pictures."""

import pytest
import torch
from lightning import Trainer, seed_everything

from contractive import ContractiveAutoencoder
from contractive.diagnostics import (
    contraction_ratio,
    effective_rank,
    nearest_neighbours,
    saturation,
    singular_values,
)
from contractive.training.datamodule import DataModule


@pytest.fixture(scope="module")
def examples(mnist_root):
    data = DataModule(source="mnist", root=str(mnist_root), download=False, batch_size=256, seed=0)
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.fixture(scope="module")
def encoders(examples):
    """1000 sigmoid units by ``lam`` after ten epochs of 40 batches, a fifth of MNIST, to save time."""

    def trained(lam):
        seed_everything(0, verbose=False)
        model = ContractiveAutoencoder(
            (1, 28, 28),
            hidden=[1000],
            lam=lam,
            reconstruction="cross_entropy",
            optimizer={"name": "Adam", "lr": 3e-3},
        )
        trainer = Trainer(
            max_epochs=10,
            limit_train_batches=40,
            limit_val_batches=0,
            logger=False,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, datamodule=examples)
        return model.eval().encoder

    return {lam: trained(lam) for lam in (0.0, 0.1)}


@pytest.fixture(scope="module")
def x(examples):
    return examples.examples("val", 128)[0]


def test_the_spectrum_falls_faster(encoders, x):
    plain, contractive = (singular_values(encoders[lam], x[:6]).mean(0) for lam in (0.0, 0.1))
    for k in (50, 100, 200, 400):
        assert contractive[k] / contractive[0] < 0.95 * plain[k] / plain[0]
    assert effective_rank(contractive) < 0.95 * effective_rank(plain)


def test_the_contraction_ratio_at_small_radius_is_lower(encoders, x):
    towards, distances = nearest_neighbours(x)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = torch.nn.functional.normalize(noise.flatten(1)).view_as(x)
    radii = torch.tensor([0.01, 0.1]) * distances.median()
    for directions, margin in (
        (noise, 0.95),
        # The penalty leaves the directions along which the data vary more alone than the others.
        (towards, 0.99),
    ):
        plain, contractive = (
            contraction_ratio(encoders[lam], x, directions, radii).mean(1) for lam in (0.0, 0.1)
        )
        assert (contractive < margin * plain).all()


def test_more_units_are_saturated(encoders, x):
    with torch.no_grad():
        plain, contractive = (saturation(encoders[lam](x)) for lam in (0.0, 0.1))
    assert contractive > 1.1 * plain
