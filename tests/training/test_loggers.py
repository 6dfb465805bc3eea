"""What TensorBoard gets of a run: names in an order to read, one for each thing, and what runs differ in."""

import pytest
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams.backend_context import Context

from contractive.training.loggers import TensorBoard
from contractive.training.recording import compared_settings

TERMS = ("loss", "penalty", "reconstruction")


def events(directory):
    return EventAccumulator(str(directory), {"scalars": 0, "tensors": 0}).Reload()


def session(logged):
    content = logged.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    return dict(plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams)


def experiment(directory):
    """What TensorBoard tells of the runs in a directory: names of settings and of figures, in its order."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(directory)).Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(directory))))
    request = RequestContext()
    runs = context.hparams_metadata(request, "")
    found = context.experiment_from_metadata(request, "", True, runs, [])
    return [info.name for info in found.hparam_infos], [info.name.tag for info in found.metric_infos]


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A run with everything that is drawn, and what it told TensorBoard."""
    from contractive.training import fit

    classes = "contractive.training.callbacks"
    names = ("pictures.Pictures", "geometry.Geometry", "tangents.Tangents", "projector.Projector")
    directory = tmp_path_factory.mktemp("logged")
    settings = {
        "model": {"hidden": [6], "lam": 0.1},
        "trainer": {"max_epochs": 3, "log_every_n_steps": 20},
        "callbacks": {name: {"_target_": f"{classes}.{name}"} for name in names},
        "logger": {
            "tensorboard": {"_target_": "contractive.training.loggers.TensorBoard", "name": "", "version": ""}
        },
    }
    return fit(settings, directory=directory), events(directory)


def test_groups_come_in_the_order_in_which_one_reads(logged):
    groups = dict.fromkeys(tag.partition("/")[0] for tag in sorted(logged[1].Tags()["scalars"]))
    assert list(groups) == ["test", "train", "val", "view", "wall"]
    assert {tag.partition("/")[0] for tag in logged[1].Tags()["images"]} == {"view"}


def test_a_term_has_one_curve_of_training_and_one_of_validation(logged):
    run, log = logged
    scalars = log.Tags()["scalars"]
    for stage in ("train", "val"):
        assert {tag for tag in scalars if tag.startswith(f"{stage}/")} == {
            f"{stage}/{term}" for term in TERMS
        }
        # One point an epoch: an epoch has 23 steps, of which 20 are a window.
        assert [len(log.Scalars(f"{stage}/{term}")) for term in TERMS] == [3, 3, 3]
    assert [point.step for point in log.Scalars("train/loss")] == [20, 43, 66]


def test_of_the_end_there_is_what_decides(logged):
    run, log = logged
    shown = {"test/probe_error"} | {f"test/{term}" for term in TERMS}
    assert {tag for tag in log.Tags()["scalars"] if tag.startswith("test/")} == shown
    for tag in shown:
        assert [point.value for point in log.Scalars(tag)] == [pytest.approx(run.metrics[tag], rel=1e-6)]


def test_a_schedule_and_a_warmup_have_their_curves(tmp_path, train):
    run = train(
        "model.hidden=[4]", "trainer.max_epochs=2", "lam=warmup", "scheduler=cosine", "logger=tensorboard"
    )
    assert {"train/lam", "train/lr"} <= set(events(run).Tags()["scalars"])


def test_runs_are_compared_by_lam_and_what_was_asked_for_or_is_not_at_its_default(train):
    run = train("model.hidden=[4]", "trainer.max_epochs=1", "seed=0", "probe=none", "save_every_seconds=9")
    told = session(events(run))
    assert set(told) == {"model.lam", "model.hidden", "trainer.max_epochs", "seed", "probe.enabled"}
    assert told["model.lam"].number_value == 0.1
    assert told["probe.enabled"].string_value == "False"


def test_mixed_runs_are_compared_by_what_any_of_them_has_lam_first_and_by_what_decides(train, tmp_path):
    train("model.hidden=[4]", "trainer.max_epochs=1", "model.lam=0", to="runs/a")
    train(
        "data.batch_size=256", "trainer.max_epochs=1", "model/corruption=masking", "model.lam=1", to="runs/b"
    )
    train("head=default", "trainer.max_epochs=1", "head.hidden=[3]", "seed=1", to="runs/c")
    settings, figures = experiment(tmp_path / "runs")
    assert settings[0] == "model.lam"  # TensorBoard shows the first five, those first that differ
    others = {"model.hidden", "data.batch_size", "model.corruption.kind", "head.hidden", "seed"}
    assert others <= set(settings)
    # Of the figures, too, it shows five.
    assert figures[:5] == [
        "test/error",
        "test/loss",
        "test/penalty",
        "test/reconstruction",
        "train/cross_entropy",
    ]


@pytest.mark.parametrize(
    ("given", "compared"),
    [
        ({}, {}),
        ({"data": {"source": "array", "path": "x.npy"}}, {"data.source": "array", "data.path": "x.npy"}),
        (
            {"model": {"lam": 1.0, "penalty": {"method": "hutchinson"}}},
            {"model.lam": 1.0, "model.penalty.method": "hutchinson"},
        ),
        ({"data": {"root": "/data"}, "optimizer": {"amsgrad": True}}, {"optimizer.amsgrad": True}),
        ({"callbacks": {"a": {"b": 1}}, "ckpt_path": "last.ckpt"}, {}),
    ],
)
def test_defaults_are_those_of_the_source_and_the_method(given, compared):
    complete = {
        "data": {"source": "digits"} | given.get("data", {}),
        "model": {"penalty": {}} | given.get("model", {}),
    }
    assert compared_settings(given | complete, told=[]) == {"model.lam": 0.1} | compared


def test_only_the_first_process_writes_the_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    TensorBoard(tmp_path, name="", version="").log_hyperparams({"lr": 0.1}, {"test/loss": 1.0}, step=3)
    assert not list(tmp_path.iterdir())
