"""Whole runs, on the bundled digits."""

import csv
import json
import logging
import math
import pickle

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from lightning.pytorch.loggers import Logger

from contractive import ContractiveAutoencoder
from contractive.commands.train import CONFIG_DIR
from contractive.runs.directory import find_runs
from contractive.training import fit
from contractive.training.history import NonFiniteLossError

SMALL = ("model.hidden=[16]", "trainer.max_epochs=4")


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def assert_same_weights(a, b):
    a, b = weights(a), weights(b)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def metrics(directory):
    return json.loads((directory / "metrics.json").read_text())


def test_a_run_leaves_what_the_readme_promises(train):
    run = train(*SMALL)
    assert (run / ".hydra" / "config.yaml").is_file()
    assert list(run.glob("events.out.tfevents.*"))
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    figures = metrics(run)
    for stage in ("val", "test"):
        loss = figures[f"{stage}/reconstruction"] + 0.1 * figures[f"{stage}/penalty"]
        assert figures[f"{stage}/loss"] == pytest.approx(loss, rel=1e-5)
    assert figures["epochs"] == 4
    assert 1 <= figures["best_epoch"] <= 4


def test_the_figures_are_those_of_the_best_checkpoint_and_of_the_formula(train):
    from contractive.training.datamodule import DataModule

    run = train(*SMALL)
    model = ContractiveAutoencoder.load_from_checkpoint(run / "checkpoints" / "best.ckpt")
    data = DataModule(source="digits", batch_size=64, seed=0)
    data.setup("test")
    x = torch.cat([batch[0] for batch in data.test_dataloader()])
    with torch.no_grad():
        h = model.encode(x)
        squared_weights = (model.encoder[1].weight ** 2).sum(1)
        penalty = ((h * (1 - h)) ** 2 * squared_weights).sum(1).mean()
        reconstruction = ((model(x) - x) ** 2).sum((1, 2, 3)).mean()
    figures = metrics(run)
    assert figures["test/penalty"] == pytest.approx(penalty.item(), rel=1e-4)
    assert figures["test/reconstruction"] == pytest.approx(reconstruction.item(), rel=1e-4)


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_a_resumed_run_ends_with_the_weights_of_one_that_was_never_stopped(train, checkpoint):
    whole = train(*SMALL, to="whole")
    half = train(*SMALL, "trainer.max_epochs=2", to="half")
    resumed = train(*SMALL, f"ckpt_path={half}/checkpoints/{checkpoint}.ckpt", to="resumed")
    for name in ("last", "best"):
        assert_same_weights(whole / f"checkpoints/{name}.ckpt", resumed / f"checkpoints/{name}.ckpt")


def test_the_best_epoch_before_the_stop_stays_the_best(train):
    half = train(*SMALL, "trainer.max_epochs=1", to="half")
    # A learning rate of practically nothing never gets better than what there was.
    resumed = train(*SMALL, "optimizer.lr=1e-30", f"ckpt_path={half}/checkpoints/last.ckpt", to="resumed")
    assert metrics(resumed)["best_epoch"] == 1
    assert_same_weights(half / "checkpoints/best.ckpt", resumed / "checkpoints/best.ckpt")


def test_a_run_from_python_can_be_read_like_any_other(tmp_path):
    from contractive.runs.reading import read_run
    from contractive.training import fit

    settings = {"model": {"hidden": [8], "lam": 0.3}, "trainer": {"max_epochs": 2}}
    fit(settings | {"scheduler": {"name": "StepLR", "step_size": 1}}, directory=tmp_path / "run")
    run = read_run(tmp_path / "run", "run")
    assert run.warnings == []
    assert run.overrides["model.lam"] == "0.3" and run.lam == 0.3
    assert run.config["scheduler.step_size"] == 1
    assert run.curve("val/loss")[0] == [1, 2]
    with pytest.raises(ValueError, match=r"scheduler\.name must be one of"):
        fit({"scheduler": {"step_size": 1}}, directory=tmp_path / "other")


def test_the_best_epoch_of_another_objective_is_not_carried_over(train):
    half = train(*SMALL, "trainer.max_epochs=1", "model.lam=0", to="half")
    # The same weights, whose loss is larger with a penalty in it.
    others = ("model.lam=1", "optimizer.lr=1e-30")
    resumed = train(*SMALL, *others, f"ckpt_path={half}/checkpoints/last.ckpt", to="resumed")
    assert metrics(resumed)["best_epoch"] > 1


def test_the_best_epoch_is_that_of_the_lowest_loss(train):
    run = train(*SMALL)
    with (run / "curves.csv").open() as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file)]
    assert metrics(run)["best_epoch"] == 1 + losses.index(min(losses))
    assert metrics(run)["val/loss"] == pytest.approx(min(losses))


def test_the_saved_configuration_alone_reproduces_the_weights(train):
    first = train(*SMALL, "seed=3", "model.lam=0.1", to="first")
    again = train("--config-path", str(first / ".hydra"), "--config-name", "config", to="again")
    assert_same_weights(first / "checkpoints/last.ckpt", again / "checkpoints/last.ckpt")


def test_a_larger_lam_lowers_the_penalty_and_raises_the_reconstruction(train):
    sweep = train("-m", "model.lam=0,1e-3,1e-2,1e-1", "trainer.max_epochs=60")
    figures = [metrics(run) for run in find_runs(sweep)]
    penalties = [f["test/penalty"] for f in figures]
    reconstructions = [f["test/reconstruction"] for f in figures]
    assert penalties == sorted(set(penalties), reverse=True)
    assert reconstructions == sorted(set(reconstructions))
    with (sweep / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["model.lam"]) for row in rows] == [0, 1e-3, 1e-2, 1e-1]
    assert [float(row["test/penalty"]) for row in rows] == pytest.approx(penalties)


def test_a_job_that_fails_does_not_take_the_sweep_with_it(train, tmp_path):
    with pytest.raises(SystemExit, match="1 of 2 runs did not finish: 0"):
        train("-m", "model.lam=-1,0.1", *SMALL, to="sweep")
    sweep = tmp_path / "sweep"
    assert "model.lam must be a finite number >= 0; got -1" in (sweep / "0_lam=-1" / "error.txt").read_text()
    assert metrics(sweep / "1_lam=0.1")["test/loss"] > 0


def test_a_loss_that_explodes_stops_the_run_and_leaves_the_last_good_checkpoint(train, tmp_path):
    with pytest.raises(NonFiniteLossError, match=r"(train|val)/\w+ became (nan|inf) (at|after) step \d+"):
        train(*SMALL, "optimizer.lr=1e18", "optimizer=sgd", to="run")
    half = train(*SMALL, "trainer.max_epochs=1", to="half")
    with pytest.raises(NonFiniteLossError):
        train(*SMALL, "optimizer.lr=1e18", f"ckpt_path={half}/checkpoints/last.ckpt", to="resumed")
    for path in tmp_path.rglob("*.ckpt"):
        assert all(tensor.isfinite().all() for tensor in weights(path).values()), path
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize("reconstruction", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("model", [["model.hidden=[12,6]"], ["model.tied=false"], ["model.activation=relu"]])
def test_the_family_trains(train, model, reconstruction):
    figures = metrics(train(*SMALL, "trainer.max_epochs=1", *model, f"model.reconstruction={reconstruction}"))
    assert all(math.isfinite(value) for value in figures.values())


TINY = {
    "model": {"hidden": [8]},
    "probe": {"enabled": False},
    "trainer": {"max_epochs": 2, "limit_train_batches": 3},
}


class TestFromANotebook:
    def test_a_run_leaves_its_files_and_comes_back_in_silence(self, tmp_path, capfd):
        loggers = [logging.getLogger(f"lightning.pytorch{part}") for part in ("", ".profilers")]
        levels = [logger.level for logger in loggers]
        run = fit(TINY, directory=tmp_path / "deep" / "run")
        assert "".join(capfd.readouterr()) == ""
        assert levels == [logger.level for logger in loggers]
        assert run.best.is_file() and run.last.is_file()
        assert metrics(run.directory) == run.metrics
        assert run.directory == tmp_path / "deep" / "run"
        assert (run.epochs, run.model.training, run.model.code_size) == (2, False, 8)
        left = {"checkpoints", "metrics.json", "scores.json", "curves.csv", ".hydra"}
        assert {path.name for path in run.directory.iterdir()} == left

    def test_plain_settings_and_a_composed_configuration_make_the_same_run(self, tmp_path):
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            overrides = [
                "model.hidden=[8]",
                "trainer.max_epochs=2",
                "trainer.limit_train_batches=3",
                "logger=csv",
            ]
            config = compose(
                "config", overrides=[*overrides, "callbacks=minimal", "~callbacks.progress", "probe=none"]
            )
        composed, given = fit(config, directory=tmp_path / "a"), fit(TINY, directory=tmp_path / "b")
        assert_same_weights(composed.last, given.last)
        assert composed.metrics["test/loss"] == given.metrics["test/loss"]
        assert (tmp_path / "a" / "metrics.csv").is_file()

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"modle": {}}, r"^modle: there is no such setting; did you mean model\?"),
            ({"model": {"lamda": 1}}, r"^model\.lamda: there is no such setting; did you mean lam\?"),
            (
                {"trainer": {"max_epoch": 1}},
                r"^trainer\.max_epoch: Trainer takes no .* mean max_epochs\?",
            ),
            ({"scheduler": {"name": "StepLr"}}, r"^scheduler\.name must be one of .*; did you mean StepLR\?"),
            ({"optimizer": {"name": "RMSprop", "fused": True}}, r"^optimizer\.fused: RMSprop takes no such"),
            ({"ckpt_path": "nowhere.ckpt"}, r"there is no checkpoint 'nowhere\.ckpt'"),
            ({"seed": -1}, r"^seed must be an integer >= 0; got -1"),
        ],
    )
    def test_mistakes(self, settings, said, tmp_path):
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            fit(TINY | settings, directory=tmp_path)


class Hearsay(Logger):
    """A logger like any other: it hears the settings once, before the figures."""

    name, version = "hearsay", 0

    def __init__(self):
        super().__init__()
        self.heard = []

    def log_hyperparams(self, params, *args, **kwargs):
        self.heard.append(params)

    def log_metrics(self, metrics, step=None):
        assert self.heard


def test_the_settings_reach_every_logger(tmp_path):
    logger = Hearsay()
    fit(TINY | {"seed": 3}, directory=tmp_path / "a", loggers=[logger])
    (heard,) = logger.heard
    expected = {
        "model.hidden": [8],
        "model.lam": 0.1,
        "optimizer.lr": 1e-3,
        "data.source": "digits",
        "seed": 3,
    }
    assert expected.items() <= heard.items()
    csv_logger = {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "", "version": ""}
    fit(TINY | {"logger": {"csv": csv_logger}}, directory=tmp_path / "b")
    written = yaml.safe_load((tmp_path / "b" / "hparams.yaml").read_text())
    assert written == heard | {"seed": 0}


def test_the_figures_are_those_of_the_best_epoch_where_it_is_not_the_last(tmp_path):
    # The rate grows until it does harm.
    rising = {"name": "ExponentialLR", "gamma": 5.0}
    settings = {"optimizer": {"name": "SGD", "lr": 1e-3}, "scheduler": rising, "trainer": {"max_epochs": 4}}
    run = fit(settings, directory=tmp_path)
    assert run.best_epoch < run.epochs == 4
    assert run.metrics["best_epoch"] == run.best_epoch == torch.load(run.best)["epoch"] + 1
    x = run.data.split("val").x
    for path, is_best in ((run.best, True), (run.last, False)):
        model = ContractiveAutoencoder.load_from_checkpoint(path)
        with torch.no_grad():
            error = (model(x) - x).square().sum((1, 2, 3)).mean().item()
        assert (run.metrics["val/reconstruction"] == pytest.approx(error, rel=1e-4)) is is_best
    assert all(torch.equal(a, b) for a, b in zip(run.model.state_dict().values(), weights(run.best).values()))


def test_a_quick_look_at_one_batch(train):
    run = train(*SMALL, "+trainer.fast_dev_run=true")
    assert metrics(run)["epochs"] == 1 and metrics(run)["test/loss"] > 0
    assert not list(run.rglob("*.ckpt"))


def test_a_profile_is_printed(train, capfd, caplog):
    train(*SMALL, "trainer.max_epochs=1", "+trainer.profiler=simple")
    # Where Lightning writes to depends on whether somebody listened to all loggers when it was imported.
    assert "run_training_epoch" in "".join([*capfd.readouterr(), caplog.text])


def test_the_progress_bar_and_the_checkpoints_can_be_left_out(train, capfd):
    off = ("+trainer.enable_progress_bar=false", "+trainer.enable_checkpointing=false")
    run = train(*SMALL, "trainer.max_epochs=1", *off)
    assert "Epoch" not in capfd.readouterr().out
    assert metrics(run)["best_epoch"] == 1 and not list(run.rglob("*.ckpt"))


def test_an_optimiser_that_takes_other_arguments_trains(train):
    assert metrics(train(*SMALL, "trainer.max_epochs=1", "optimizer.name=RMSprop"))["epochs"] == 1


class TestMistakesWithCheckpoints:
    def test_another_shape(self, train):
        half = train(*SMALL, "trainer.max_epochs=1", to="half")
        with pytest.raises(ValueError, match=r"is of another model: hidden=\[16\] \(here \[17\]\)"):
            train(
                f"ckpt_path={half}/checkpoints/last.ckpt", "model.hidden=[17]", "trainer.max_epochs=2", to="b"
            )

    def test_nothing_left_to_do(self, train):
        half = train(*SMALL, "trainer.max_epochs=1", to="half")
        with pytest.raises(ValueError, match=r"ask for more than trainer.max_epochs=1"):
            train(*SMALL, "trainer.max_epochs=1", f"ckpt_path={half}/checkpoints/last.ckpt", to="b")

    def test_truncated(self, train, tmp_path):
        half = train(*SMALL, "trainer.max_epochs=1", to="half")
        content = (half / "checkpoints/last.ckpt").read_bytes()
        broken = tmp_path / "broken.ckpt"
        for size in (0, 100, len(content) // 2, len(content) - 1):
            broken.write_bytes(content[:size])
            with pytest.raises(ValueError, match=r"broken.ckpt' is (truncated|not a checkpoint)"):
                train(*SMALL, f"ckpt_path={broken}", to="b")

    def test_missing(self, train, tmp_path):
        with pytest.raises(SystemExit, match="ckpt_path: there is no file"):
            train("ckpt_path=nowhere.ckpt", to="b")
        assert not (tmp_path / "b").exists()

    def test_a_file_that_would_run_code_does_not(self, tmp_path):
        class Harmful:
            def __reduce__(self):
                return (open, (str(tmp_path / "harmed"), "w"))

        torch.save({"state_dict": Harmful(), "hyper_parameters": {}}, tmp_path / "a.ckpt")
        (tmp_path / "b.ckpt").write_bytes(pickle.dumps(Harmful()))
        for name, said in (("a.ckpt", "would run code"), ("b.ckpt", "not a checkpoint")):
            with pytest.raises(ValueError, match=said):
                ContractiveAutoencoder.load_from_checkpoint(tmp_path / name)
        assert not (tmp_path / "harmed").exists()
