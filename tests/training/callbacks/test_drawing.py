"""What the drawing callbacks leave in TensorBoard, and what they leave out."""

import io
import json

import numpy as np
import pytest
import torch
from lightning import LightningDataModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from contractive import ContractiveAutoencoder
from contractive.diagnostics import effective_rank, jacobian_norms, singular_values
from contractive.training.callbacks import Charts, Geometry, Pictures, Projector, Tangents

DRAWN = {
    *("reconstructions", "corrupted", "filters", "tangents", "tangent_walks"),
    *("spectrum", "contraction_ratio"),
}


class Data(LightningDataModule):
    def __init__(self, shape):
        super().__init__()
        self.x = torch.rand(40, *shape, generator=torch.Generator().manual_seed(0))
        self.labels = torch.arange(40) % 7
        self.is_image = len(shape) == 3 and shape[0] in (1, 3)

    def examples(self, split, n):
        return self.x[:n], self.labels[:n]

    def train_dataloader(self):
        return DataLoader(TensorDataset(self.x), batch_size=20)

    val_dataloader = train_dataloader


def fit(directory, shape, *callbacks, epochs=5, **model):
    torch.manual_seed(0)
    module = ContractiveAutoencoder(shape, **{"hidden": [12], **model})
    logger = TensorBoardLogger(directory, name="", version="")
    trainer = Trainer(
        max_epochs=epochs,
        default_root_dir=directory,
        callbacks=list(callbacks),
        logger=logger,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(module, datamodule=Data(shape))
    logger.finalize("success")
    events = EventAccumulator(str(directory)).Reload()
    return module, events


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("night") / "run"
    model, events = fit(directory, (1, 8, 8), Pictures(2), Geometry(2), Tangents(2), Projector(30), Charts())
    return directory, model, events


def test_pictures_are_drawn_every_so_many_epochs_and_at_the_end(pictures):
    _, _, events = pictures
    assert set(events.Tags()["images"]) == DRAWN
    for tag in DRAWN:
        assert [image.step for image in events.Images(tag)] == [4, 8, 10]


def test_figures_say_run_and_epoch_in_their_title(pictures):
    from contractive.training.callbacks.drawing import Page

    page = Page([], pictures[0], epoch=3, step=6)
    assert page.title("Spectrum") == "Spectrum · run night0/run · epoch 3"


def test_every_picture_can_be_read_and_is_not_blank(pictures):
    _, _, events = pictures
    for tag in DRAWN:
        pixels = np.asarray(Image.open(io.BytesIO(events.Images(tag)[-1].encoded_image_string)))
        assert pixels.std() > 10


def test_the_cost_is_logged(pictures):
    _, _, events = pictures
    for name in ("pictures", "geometry", "tangents"):
        seconds = [point.value for point in events.Scalars(f"cost/{name}_seconds")]
        assert len(seconds) == 3
        assert all(value > 0 for value in seconds)
        assert all(0 < point.value < 100 for point in events.Scalars(f"cost/{name}_percent"))


def test_the_numbers_and_curves_are_those_of_the_diagnostics(pictures):
    directory, model, events = pictures
    x = Data((1, 8, 8)).x
    values = singular_values(model.encoder, x[:8])
    geometry = json.loads((directory / "geometry.json").read_text())
    assert geometry["epoch"] == 5
    assert geometry["spectrum"] == pytest.approx(values.mean(0).tolist(), rel=1e-4)
    assert geometry["effective_rank"] == pytest.approx(effective_rank(values).mean().item(), rel=1e-4)
    norm = jacobian_norms(model.encoder, x).mean().item()
    assert events.Scalars("geometry/jacobian_norm")[-1].value == pytest.approx(norm, rel=1e-4)
    assert events.Histograms("jacobian_norm")[-1].histogram_value.num == 40
    # At a hundredth of the distance between neighbours the code answers as its Jacobian does.
    at_small_radius = geometry["ratios"]["random directions"][0]
    assert at_small_radius == pytest.approx(norm / 64**0.5, rel=0.2)


def test_training_goes_on_in_training_mode(pictures):
    assert pictures[1].training


def test_the_projector_gets_codes_labels_and_thumbnails(pictures):
    directory, model, _ = pictures
    (folder,) = directory.glob("*/code")
    written = np.loadtxt(folder / "tensors.tsv", delimiter="\t")
    x = Data((1, 8, 8)).x[:30]
    np.testing.assert_allclose(written, model.encode(x).detach(), rtol=1e-4)
    assert (folder / "metadata.tsv").read_text().split() == [str(i % 7) for i in range(30)]
    sprite = np.asarray(Image.open(folder / "sprite.png"))
    np.testing.assert_allclose(sprite[:8, 8:16, 0] / 255, x[1, 0], atol=1 / 255)
    assert "tensors.tsv" in (directory / "projector_config.pbtxt").read_text()


def test_reconstruction_and_penalty_share_a_chart(pictures):
    from tensorboard.plugins.custom_scalar import layout_pb2

    _, _, events = pictures
    (event,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charts = {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}
    assert charts["val: reconstruction and penalty"] == ["^val/reconstruction$", "^val/penalty$"]
    assert {"val/reconstruction", "train/penalty"} <= set(events.Tags()["scalars"])


def test_without_pictures_everything_else_stays(tmp_path):
    _, events = fit(tmp_path, (9,), Pictures(), Geometry(), Tangents(), Projector(), Charts(), epochs=1)
    assert set(events.Tags()["images"]) == {"spectrum", "contraction_ratio"}
    assert (tmp_path / "geometry.json").is_file()
    (folder,) = tmp_path.glob("*/code")
    assert {file.name for file in folder.iterdir()} == {"tensors.tsv", "metadata.tsv"}


@pytest.mark.parametrize(
    ("shape", "model"),
    [
        ((3, 8, 8), {"hidden": [5], "channels": [4], "activation": "tanh"}),
        ((2, 8, 8), {"hidden": [80], "activation": "relu"}),
        ((1, 6, 5), {"hidden": [9, 3], "activation": "softplus"}),
    ],
    ids=["convolutions in colour", "two channels", "deep"],
)
def test_any_encoder_can_be_drawn(tmp_path, shape, model):
    _, events = fit(tmp_path, shape, Pictures(), Geometry(), Tangents(), Projector(), epochs=1, **model)
    expected = DRAWN if shape[0] != 2 else {"spectrum", "contraction_ratio"}
    assert set(events.Tags()["images"]) == expected
    assert ("geometry/saturation" in events.Tags()["scalars"]) == (model["activation"] == "tanh")


def test_without_tensorboard_nothing_is_drawn(tmp_path):
    trainer = Trainer(
        max_epochs=1,
        default_root_dir=tmp_path,
        callbacks=[Geometry(), Pictures(), Projector(), Charts()],
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(ContractiveAutoencoder((4,), hidden=[3]), datamodule=Data((4,)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("callback", [Pictures, Geometry, Tangents])
def test_a_frequency_of_zero_is_refused(callback):
    with pytest.raises(ValueError, match=r"every_n_epochs must be an integer >= 1; got 0"):
        callback(every_n_epochs=0)
