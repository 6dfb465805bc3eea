"""What the drawing callbacks leave in TensorBoard, and what they leave out."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import SingleDeviceStrategy
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from contractive import ContractiveAutoencoder
from contractive.diagnostics import effective_rank, jacobian_norms, singular_values
from contractive.diagnostics.picture_table import ABOVE, CELL, GAP, LEFT
from contractive.training.callbacks.charts import Charts
from contractive.training.callbacks.drawing import Drawing, Page
from contractive.training.callbacks.geometry import Geometry
from contractive.training.callbacks.pictures import Pictures
from contractive.training.callbacks.projector import Projector
from contractive.training.callbacks.tangents import Tangents

DRAWN = {
    *("reconstructions", "corrupted", "filters", "tangents", "tangent_walks"),
    *("spectrum", "contraction_ratio"),
}


class Data(LightningDataModule):
    """Somebody else's: it has loaders, and nothing more."""

    def __init__(self, shape):
        super().__init__()
        self.x = torch.rand(40, *shape, generator=torch.Generator().manual_seed(0))
        self.labels = torch.arange(40) % 7

    def train_dataloader(self):
        return DataLoader(TensorDataset(self.x), batch_size=20)

    def val_dataloader(self):
        return DataLoader(TensorDataset(self.x, self.labels), batch_size=15)


def scaled(model):
    """The model, with a scaling as a data module fits it."""
    shift = model.scaler.shift
    model.scaler.load_state_dict({"shift": torch.full_like(shift, 0.4), "scale": torch.full_like(shift, 5)})
    return model


def fit(directory, data, *callbacks, epochs=5, logger=None, strategy="auto", **model):
    torch.manual_seed(0)
    shape = data.x.shape[1:] if isinstance(data, Data) else (1, *next(iter(data))[0].shape[-2:])
    module = ContractiveAutoencoder(shape, **{"hidden": [12], **model})
    trainer = Trainer(
        max_epochs=epochs,
        default_root_dir=directory,
        callbacks=list(callbacks),
        logger=TensorBoardLogger(directory, name="", version="") if logger is None else logger,
        accelerator="cpu",
        strategy=strategy,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    if module.scaler is not None:
        scaled(module)
    if isinstance(data, Data):
        trainer.fit(module, datamodule=data)
    else:
        trainer.fit(module, DataLoader(torch.rand(40, *shape), batch_size=15), data)
    for each in trainer.loggers:
        each.finalize("success")
    return module


def events_in(directory):
    return EventAccumulator(str(directory)).Reload()


def drawn(directory, tag):
    """The picture that a run keeps, in [0, 1]."""
    return np.asarray(Image.open(directory / "pictures" / f"{tag}.png")) / 255


def shown(tags):
    """The names in TensorBoard."""
    return {f"view/{tag}" for tag in tags}


def kept(directory):
    return {path.stem for path in directory.glob("pictures/*.png")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("night") / "run"
    callbacks = (
        Pictures(2, most_percent=100),
        Geometry(2, most_percent=100),
        Tangents(2, most_percent=100),
        Projector(30),
        Charts(),
    )
    model = fit(directory, Data((1, 8, 8)), *callbacks)
    return directory, model, events_in(directory)


def test_pictures_are_drawn_every_so_many_epochs_and_at_the_end(pictures):
    _, _, events = pictures
    assert set(events.Tags()["images"]) == shown(DRAWN)
    for tag in shown(DRAWN):
        assert [image.step for image in events.Images(tag)] == [4, 8, 10]


def test_figures_say_run_and_epoch_in_their_title(pictures):
    page = Page([], pictures[0], epoch=3, step=6)
    assert page.title("Spectrum") == "Spectrum · run night0/run · epoch 3"


def test_every_picture_can_be_read_is_not_blank_and_the_last_is_kept(pictures):
    directory, _, events = pictures
    for tag in DRAWN:
        pixels = np.asarray(Image.open(io.BytesIO(events.Images(f"view/{tag}")[-1].encoded_image_string)))
        assert pixels.std() > 10
        np.testing.assert_array_equal(drawn(directory, tag) * 255, pixels.squeeze())
    assert kept(directory) == DRAWN


def test_the_cost_is_logged(pictures):
    _, _, events = pictures
    for name in ("pictures", "geometry", "tangents"):
        seconds = [point.value for point in events.Scalars(f"wall/{name}_seconds")]
        assert len(seconds) == 3
        assert all(value > 0 for value in seconds)
        assert all(0 < point.value < 100 for point in events.Scalars(f"wall/{name}_percent"))


def test_the_numbers_and_curves_are_those_of_the_diagnostics(pictures):
    directory, model, events = pictures
    x = Data((1, 8, 8)).x
    values = singular_values(model.encoder, x[:8])
    geometry = json.loads((directory / "geometry.json").read_text())
    assert geometry["epoch"] == 5
    assert geometry["spectrum"] == pytest.approx(values.mean(0).tolist(), rel=1e-4)
    assert geometry["effective_rank"] == pytest.approx(effective_rank(values).mean().item(), rel=1e-4)
    norm = jacobian_norms(model.encoder, x).mean().item()
    assert events.Scalars("view/jacobian_norm")[-1].value == pytest.approx(norm, rel=1e-4)
    assert events.Histograms("view/jacobian_norms")[-1].histogram_value.num == 40
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


def test_each_term_has_a_chart_and_so_an_axis_of_its_own(pictures):
    from tensorboard.plugins.custom_scalar import layout_pb2

    _, _, events = pictures
    (event,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charts = {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}
    assert list(charts) == ["reconstruction", "penalty"]
    for term, (pattern,) in charts.items():
        drawn = {tag for tag in events.Tags()["scalars"] if re.search(pattern, tag)}
        assert drawn == {f"train/{term}", f"val/{term}"}


def test_without_pictures_everything_else_stays(tmp_path):
    fit(tmp_path, Data((9,)), Pictures(), Geometry(), Tangents(), Projector(), Charts(), epochs=1)
    assert set(events_in(tmp_path).Tags()["images"]) == shown({"spectrum", "contraction_ratio"})
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
    fit(tmp_path, Data(shape), Pictures(), Geometry(), Tangents(), Projector(), epochs=1, **model)
    events = events_in(tmp_path)
    expected = DRAWN if shape[0] != 2 else {"spectrum", "contraction_ratio"}
    assert set(events.Tags()["images"]) == shown(expected)
    assert ("view/saturation" in events.Tags()["scalars"]) == (model["activation"] == "tanh")


@pytest.mark.parametrize("logger", ["none", "csv"])
def test_without_tensorboard_the_same_is_kept(tmp_path, pictures, logger):
    csv = CSVLogger(tmp_path, name="", version="")
    callbacks = (
        Pictures(2, most_percent=100),
        Geometry(2, most_percent=100),
        Tangents(2, most_percent=100),
        Projector(),
        Charts(),
    )
    fit(tmp_path, Data((1, 8, 8)), *callbacks, logger=csv if logger == "csv" else False)
    assert kept(tmp_path) == DRAWN
    for tag in ("reconstructions", "filters"):
        np.testing.assert_array_equal(drawn(tmp_path, tag), drawn(pictures[0], tag))
    for tag in ("corrupted", "tangents", "tangent_walks"):
        # Their titles differ, and their width with them.
        ours, theirs = (drawn(folder, tag)[ABOVE:, : LEFT + 400] for folder in (tmp_path, pictures[0]))
        np.testing.assert_array_equal(ours, theirs)
    assert (tmp_path / "geometry.json").read_text() == (pictures[0] / "geometry.json").read_text()
    if logger == "csv":
        head = (tmp_path / "metrics.csv").read_text().splitlines()[0]
        assert {"view/effective_rank", "wall/pictures_seconds"} <= set(head.split(","))


class Stream(IterableDataset):
    """Examples with names, of which nobody knows how many there are."""

    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        return ((torch.rand(1, 8, 8, generator=generator), f"example {i}") for i in range(40))


@pytest.mark.parametrize("data", [torch.rand(40, 1, 8, 8), Stream()], ids=["a tensor", "a stream"])
def test_plain_loaders_without_labels_can_be_drawn(tmp_path, data):
    loader = DataLoader(data, batch_size=15)
    fit(tmp_path, loader, Pictures(), Geometry(), Tangents(), Projector(20), epochs=1)
    assert kept(tmp_path) == DRAWN
    (folder,) = tmp_path.glob("*/code")
    assert len(np.loadtxt(folder / "tensors.tsv", delimiter="\t")) == 20
    assert not (folder / "metadata.tsv").exists()


def test_bytes_are_drawn_as_what_they_mean(tmp_path):
    pixels = torch.randint(256, (16, 1, 28, 28), dtype=torch.uint8)
    fit(tmp_path, DataLoader(pixels, batch_size=16), Pictures(), epochs=1, logger=False)
    grid = drawn(tmp_path, "reconstructions")[..., 0]
    np.testing.assert_allclose(grid[1:29, 1:29], pixels[0, 0] / 255, atol=1e-6)


def test_without_validation_a_warning_says_why_nothing_is_drawn(tmp_path, caplog):
    trainer = Trainer(
        max_epochs=1,
        default_root_dir=tmp_path,
        callbacks=[Pictures(), Projector()],
        logger=TensorBoardLogger(tmp_path, name="", version=""),
        accelerator="cpu",
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(ContractiveAutoencoder((1, 8, 8), hidden=[3]), datamodule=Data((1, 8, 8)))
    said = [r.getMessage() for r in caplog.records if "no validation examples" in r.getMessage()]
    assert len(said) == 2
    assert said[0].startswith("Pictures not drawn in epoch 1: ")


def test_only_the_first_process_draws(tmp_path):
    class Second(SingleDeviceStrategy):
        is_global_zero = False

    callbacks = Pictures(1), Geometry(1), Projector(), Charts()
    fit(tmp_path, Data((1, 8, 8)), *callbacks, epochs=1, strategy=Second("cpu"))
    assert kept(tmp_path) == set()
    assert not (tmp_path / "geometry.json").exists()


def test_drawing_does_not_change_what_is_trained(tmp_path):
    def weights(*callbacks):
        shuffled = DataLoader(torch.rand(40, 1, 8, 8), batch_size=15, shuffle=True)
        data = Data((1, 8, 8))
        data.train_dataloader = lambda: shuffled
        corruption = {"kind": "gaussian", "amount": 0.1}
        return fit(
            tmp_path, data, *callbacks, epochs=2, logger=False, corruption=corruption
        ).encoder.state_dict()

    torch.manual_seed(3)
    plain = weights()
    torch.manual_seed(3)
    watched = weights(Pictures(1), Geometry(1), Tangents(1))
    for name, weight in plain.items():
        torch.testing.assert_close(watched[name], weight, rtol=0, atol=0)


@pytest.fixture(scope="module", params=["squared_error", "cross_entropy"])
def scaled_run(request, tmp_path_factory):
    """The encoder sees scaled data; what is drawn is in the data's own units."""
    directory = tmp_path_factory.mktemp("scaled")
    data = Data((1, 8, 8))
    callbacks = Pictures(5), Geometry(5), Projector(30)
    model = fit(directory, data, *callbacks, scaled=True, reconstruction=request.param)
    return directory, model.eval().requires_grad_(False), data.x


def scaled_by_hand(x):
    return (x - 0.4) / 0.2


def code_by_hand(model, scaled):
    return torch.sigmoid(scaled.flatten(1) @ model.encoder[1].weight.T + model.encoder[1].bias)


def decoded_by_hand(model, code):
    output = code @ model.encoder[1].weight + model.decoder.state_dict()["biases.0"]
    output = output.sigmoid() if model.reconstruction == "cross_entropy" else output
    return (0.2 * output + 0.4).view(-1, 1, 8, 8)


def jacobians_by_hand(model, scaled):
    code = code_by_hand(model, scaled)
    return (code * (1 - code))[:, :, None] * model.encoder[1].weight


def test_reconstructions_are_drawn_in_the_units_of_the_data(scaled_run):
    directory, model, x = scaled_run
    grid = drawn(directory, "reconstructions")[..., 0]
    expected = decoded_by_hand(model, code_by_hand(model, scaled_by_hand(x[:8])))
    torch.testing.assert_close(model.decode(model.encode(x[:8])), expected)
    for i, left in enumerate(range(1, 8 * 33, 33)):
        original, reconstruction = grid[1:33:4, left : left + 32 : 4], grid[34:66:4, left : left + 32 : 4]
        np.testing.assert_allclose(original, x[i, 0], atol=1 / 255)
        np.testing.assert_allclose(reconstruction, expected[i, 0].clamp(0, 1), atol=1 / 255)


def test_reconstructions_of_corrupted_inputs_are_drawn_in_the_units_of_the_data(scaled_run):
    _, model, x = scaled_run
    figures = figures_of(Pictures(), model, x)
    sheet = sheet_of(figures["corrupted"], side=8)
    torch.testing.assert_close(
        sheet[3, :8],
        decoded_by_hand(model, code_by_hand(model, scaled_by_hand(sheet[2, :8])))[:, 0].clamp(0, 1),
        rtol=0,
        atol=0.01,
    )


def test_walks_follow_the_tangents_of_scaled_data_and_are_drawn_in_the_units_of_the_data(scaled_run):
    _, model, x = scaled_run
    figures = figures_of(Tangents(shown=2, count=3), model, x)
    z = scaled_by_hand(x)
    reach = torch.cdist(z.flatten(1), z.flatten(1)).fill_diagonal_(torch.inf).amin(1).median()
    walks = sheet_of(figures["tangent_walks"], side=8)
    tangents = sheet_of(figures["tangents"], side=8)
    for i in range(2):
        reconstruction = decoded_by_hand(model, code_by_hand(model, z[i : i + 1]))[0, 0].clamp(0, 1)
        close(tangents[i, 0], x[i, 0])
        close(tangents[i, 1], reconstruction)
        directions = torch.linalg.svd(jacobians_by_hand(model, z[i : i + 1])[0]).Vh[:3]
        for k, direction in enumerate(directions):
            direction = direction * direction[direction.abs().argmax()].sign()
            shown = 0.5 + 0.5 * direction / direction.max()
            close(tangents[i, 2 + k], shown.view(8, 8))
            if k < 2:
                end = code_by_hand(model, z[i].flatten()[None] + reach * direction)
                expected = decoded_by_hand(model, end)[0, 0].clamp(0, 1)
                close(walks[2 * i + k, 4], reconstruction)
                close(walks[2 * i + k, 8], expected)


def figures_of(callback, model, x):
    """The pictures that a callback draws, by their tags."""
    figures = {}

    class Kept(Page):
        def picture(self, tag, picture):
            figures[tag] = picture

    callback.draw(model, x, Kept([], Path("run"), 1, 1))
    return figures


def close(drawn, expected):
    """Equal to the nearest of 256 greys."""
    torch.testing.assert_close(drawn, expected, rtol=0, atol=0.51 / 255 + 1e-3)


def sheet_of(table, side):
    """The pictures of a table ``(rows, columns, side, side)``, to the nearest of 256 greys."""
    step = CELL + GAP
    cells = table[0, ABOVE:, LEFT:].unfold(0, step, step).unfold(1, step, step)[..., :CELL, :CELL]
    return cells[..., :: CELL // side, :: CELL // side]


def test_the_geometry_is_that_of_scaled_data(scaled_run):
    directory, model, x = scaled_run
    z = scaled_by_hand(x)
    geometry = json.loads((directory / "geometry.json").read_text())
    jacobians, code = jacobians_by_hand(model, z), code_by_hand(model, z)
    assert geometry["jacobian_norm"] == pytest.approx(
        jacobians.flatten(1).norm(dim=1).mean().item(), rel=1e-4
    )
    spectrum = torch.linalg.svdvals(jacobians[:8].double()).mean(0)
    assert geometry["spectrum"] == pytest.approx(spectrum.tolist(), rel=1e-3)
    near = torch.cdist(z.flatten(1), z.flatten(1)).fill_diagonal_(torch.inf).amin(1)
    assert geometry["radii"][0] == pytest.approx(0.01 * near.median().item(), rel=1e-3)
    assert geometry["saturation"] == pytest.approx(((code < 0.05) | (code > 0.95)).float().mean().item())


def test_the_projected_codes_are_those_of_scaled_data(scaled_run):
    directory, model, x = scaled_run
    (folder,) = directory.glob("*/code")
    written = np.loadtxt(folder / "tensors.tsv", delimiter="\t")
    np.testing.assert_allclose(written, code_by_hand(model, scaled_by_hand(x[:30])), rtol=1e-3)


@pytest.mark.parametrize("callback", [Pictures, Geometry, Tangents])
def test_a_frequency_of_zero_is_refused(callback):
    with pytest.raises(ValueError, match=r"every_n_epochs must be an integer >= 1; got 0"):
        callback(every_n_epochs=0)


class Slow(Drawing):
    """Draws for as long as it is told to, on a clock that only drawing and epochs move."""

    def __init__(self, seconds, clock, every_n_epochs=1, most_percent=5.0):
        super().__init__(every_n_epochs, 2, most_percent)
        self.seconds, self.clock, self.epochs, self.shares = seconds, clock, [], []

    def draw(self, model, x, page):
        self.clock[0] += self.seconds
        self.epochs.append(page.epoch)
        self.shares.append(self.seconds * len(self.epochs) / self.clock[0])


@pytest.fixture
def clock(monkeypatch):
    """The time, in a list, which only the tests move."""
    now = [0.0]
    monkeypatch.setattr("contractive.training.callbacks.drawing.time.monotonic", lambda: now[0])
    return now


class Epochs(Callback):
    def __init__(self, seconds, clock):
        self.seconds, self.clock = seconds, clock

    def on_train_epoch_start(self, *args):
        self.clock[0] += self.seconds


def test_drawing_takes_its_part_of_a_long_run_and_no_more(tmp_path, clock, caplog):
    caplog.set_level("INFO")
    cheap, dear = Slow(0.1, clock), Slow(1.0, clock)
    fit(tmp_path, Data((5,)), cheap, dear, Epochs(10.0, clock), epochs=40, logger=False)
    assert (0.1 * len(cheap.epochs) + 1.0 * len(dear.epochs)) / clock[0] <= 0.05
    # A third each; one is the projector's.
    assert max(*cheap.shares, *dear.shares) <= 0.05 / 3
    assert cheap.epochs == list(range(6, 41))
    assert 3 <= len(dear.epochs) < 8 and dear.epochs[-1] == 40
    (said,) = [record.getMessage() for record in caplog.records if "Not drawn" in record.getMessage()]
    assert f"slow 5 of 40 times, slow {40 - len(dear.epochs)} of 40 times" in said
    assert said.startswith("Not drawn, to keep drawing under 5 % of training: ")


def test_of_a_short_run_only_the_last_epoch_is_drawn(tmp_path, clock):
    slow = Slow(1.0, clock)
    fit(tmp_path, Data((5,)), slow, Epochs(1.0, clock), epochs=9, logger=False)
    assert slow.epochs == [9]


def test_who_asks_for_any_time_has_every_drawing(tmp_path, clock, caplog):
    caplog.set_level("INFO")
    slow = Slow(1.0, clock, every_n_epochs=2, most_percent=100)
    fit(tmp_path, Data((5,)), slow, Epochs(0.1, clock), epochs=5, logger=False)
    assert slow.epochs == [2, 4, 5]
    assert "Not drawn" not in caplog.text
    with pytest.raises(ValueError, match=r"most_percent must be a finite number >= 0 and <= 100; got 101"):
        Pictures(most_percent=101)
