"""One run, from its settings to its directory."""

import errno
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import yaml
from hydra.utils import instantiate
from lightning import Callback, seed_everything
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from omegaconf import DictConfig, OmegaConf

from contractive.diagnostics.outliers import Reference
from contractive.runs.checkpoints import is_classifier, read_checkpoint
from contractive.runs.directory import (
    FOLDER,
    LAST,
    SETTINGS,
    command_to_resume,
    is_first_process,
    only_run_in,
)
from contractive.runs.files import remove_unfinished, write_atomically
from contractive.runs.reading import flat
from contractive.runs.trained import SCORES, TO_GO_ON, find_trained
from contractive.settings import names, nearest, prefixed
from contractive.training.callbacks.checkpoints import BEGINNING, Checkpoints
from contractive.training.callbacks.progress import Progress
from contractive.training.callbacks.record import Record
from contractive.training.classifier import Classifier, classes_of
from contractive.training.datamodule import DataModule
from contractive.training.encoders import taken_over, trained_encoder
from contractive.training.evaluation import evaluate
from contractive.training.memory import check_memory
from contractive.training.module import ContractiveAutoencoder
from contractive.training.optimizers import check_arguments
from contractive.training.probing import check_probed
from contractive.training.processes import together
from contractive.training.recording import changed_settings, compared_settings, record_settings
from contractive.training.resuming import begin_anew, take_up
from contractive.training.settings import (
    DECIDING,
    ERRORS,
    METRICS,
    PROBED,
    STAGES,
    Head,
    Model,
    Optimizer,
    Probe,
    Scheduler,
    TopLevel,
    Trainer,
)
from contractive.training.signals import Signals
from contractive.training.trainer import make_logger, make_trainer, quiet

log = logging.getLogger(__name__)

GROUPS = {
    "model": Model,
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "trainer": Trainer,
    "probe": Probe,
    "head": Head,
}


@dataclass(frozen=True)
class Run:
    """What a run made: its figures, all of the best epoch, and the model of that epoch, for use."""

    directory: Path
    metrics: dict[str, float]
    model: ContractiveAutoencoder
    data: DataModule
    epochs: int
    best_epoch: int
    best: Path  # the checkpoint of the best epoch
    last: Path  # the one from which the run can go on


def fit(
    settings: Mapping[str, Any] | DictConfig | None = None,
    *,
    directory: str | Path,
    callbacks: Sequence[Callback] | None = None,
    loggers: Sequence[Logger] | None = None,
) -> Run:
    """Train, test the best epoch, and leave the run's files in ``directory``. Prints nothing.

    Args:
        settings: the groups ``model``, ``optimizer``, ``scheduler``, ``data``, ``trainer``, and ``seed``,
            ``ckpt_path`` beside them, in plain containers or as Hydra composes them. What is left out has the
            default that it has on the command line.
        directory: where the run is written.
        callbacks: instead of those that ``settings["callbacks"]`` describes by ``_target_``, by default the
            curves. The checkpoints come on top.
        loggers: instead of those that ``settings["logger"]`` describes; by default none.

    Raises:
        ValueError, FileNotFoundError: if a setting, the data or the checkpoint to resume from are not as they
            should be.
        BlockingIOError: if another run is under way in the directory.
        NonFiniteLossError: if a term of the loss becomes NaN or infinite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     settings = {"model": {"hidden": [8]}, "trainer": {"max_epochs": 1}, "probe": {"enabled": False}}
    ...     run = fit(settings, directory=directory)
    >>> run.epochs, run.model.code_size, run.metrics["test/loss"] > 0
    (1, 8, True)
    """
    start = time.monotonic()
    directory = Path(directory).absolute()
    # On the command line it has been taken over before anything was recorded.
    own = {} if settings is None or isinstance(settings, DictConfig) else taken_over(settings, flat(settings))
    given = _completed({**settings, **own} if own else settings)  # type: ignore[dict-item]
    nodes = {name: given.pop(name, None) for name in ("callbacks", "logger")}
    seed = given["seed"]
    resumed = given["ckpt_path"]
    if given["resume"] is not None:
        resumed = find_trained(Path(given["resume"]), TO_GO_ON).checkpoint
    check_arguments("trainer", lightning.Trainer, given["trainer"])
    with (
        quiet(),
        only_run_in(directory),
        Signals() as signals,
        _saying_what_is_left(directory, signals),
        ExitStack() as beside,
    ):
        seed_everything(seed, verbose=False)
        data = DataModule(**given["data"], seed=seed)
        data.prepare_data()
        data.setup("fit")
        if given["model"]["reconstruction"] == "cross_entropy":
            data.check_unit_interval()
        check_memory(data.input_shape, data.settings.batch_size, given["model"], given["optimizer"]["name"])
        check_probed(TopLevel(optimized_metric=given["optimized_metric"]).optimized, data, given["probe"])
        model = _make_model(given, data, begins=resumed is None)
        if is_first_process():
            remove_unfinished(directory)
        arguments, earlier = given["trainer"], None
        if resumed is None:
            begin_anew(directory)
        else:
            earlier = take_up(Path(resumed), model, arguments["max_epochs"], directory)
            if is_first_process():
                for change in changed_settings(Path(resumed), earlier.checkpoint["hyper_parameters"], given):
                    log.warning("Goes on with another %s", change)
            if earlier.trained:
                arguments = {**arguments, "max_epochs": earlier.epochs}
        if callbacks is None and nodes["callbacks"] is None:
            callbacks = [Record()]
        elif callbacks is None:
            callbacks = [instantiate(node) for node in nodes["callbacks"].values() if node]
        if loggers is None:
            loggers = [make_logger(node, directory) for node in (nodes["logger"] or {}).values() if node]
        saving = Checkpoints(given["save_every_seconds"], signals, earlier.progress if earlier else BEGINNING)
        trainer = make_trainer(arguments, directory, [*callbacks, saving], loggers)
        # Lightning has torch ask the driver's management library for GPUs, so as not to spoil a later fork.
        # Adam asks at every step, and nothing forks from here on.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
        settled = flat(given)
        text = yaml.safe_dump(json.loads(json.dumps(given | nodes, default=str)), sort_keys=False)
        told: list[str] = []
        if trainer.is_global_zero:
            # Figures of an earlier end are none of what comes now.
            (directory / "metrics.json").unlink(missing_ok=True)
            told = record_settings(directory, settings, given | nodes)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("config", "    " + text.replace("\n", "\n    "))
            else:
                logger.log_hyperparams(settled)
        beside.enter_context(together(trainer, signals))
        trainer.fit(model, datamodule=data, ckpt_path=resumed, weights_only=True)
        # Lightning counts the last epoch of a checkpoint only once it goes on from there.
        step = trainer.global_step
        epochs = best_epoch = max(trainer.current_epoch, earlier.epochs if earlier else 0)
        best, last = directory / FOLDER / "best.ckpt", directory / FOLDER / "last.ckpt"
        # Without checkpoints, as in a quick look at one batch, the last epoch has to do.
        if saving.best is not None and best.is_file():
            checkpoint = read_checkpoint(best)
            model.load_state_dict(checkpoint["state_dict"])
            best_epoch, step = checkpoint["epoch"] + 1, checkpoint["global_step"]
        # What the best epoch comes to is no point of the curves over all of them.
        kept, trainer.loggers = trainer.loggers, []
        metrics = evaluate(trainer, model, data, Probe.of(given["probe"]))
        trainer.loggers = kept
        metrics |= {"epochs": epochs, "best_epoch": best_epoch, "seconds": time.monotonic() - start}
        signals.leave_if_asked()
        if trainer.is_global_zero and not isinstance(model, Classifier):
            reference = Reference.of_part(model, data.part("train"), seed).plain() | {"step": step}
            write_atomically(directory / SCORES, json.dumps(reference) + "\n")
        if trainer.is_global_zero:
            write_atomically(directory / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        tested = {name: metrics[name] for name in DECIDING if name in metrics}
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(compared_settings(given, told), tested, step=trainer.global_step)
            else:
                logger.log_metrics(tested, step=trainer.global_step)
            logger.finalize("success")
    return Run(directory, metrics, model.eval(), data, epochs, best_epoch, best, last)


def _make_model(given: Mapping[str, Any], data: DataModule, *, begins: bool) -> ContractiveAutoencoder:
    """The model that the settings describe; one that ``begins`` has the weights of its trained encoder."""
    settings = {name: given[name] for name in ("optimizer", "scheduler")} | given["model"]
    scaled = data.scaler is not None
    optimized = TopLevel(optimized_metric=given["optimized_metric"]).optimized
    if not given["head"]["enabled"]:
        if wrong := [name for name in optimized if name in ERRORS]:
            raise ValueError(
                f"optimized_metric={wrong[0]} is that of a head: contractive finetune trains one"
            )
        if data.settings.labelled is not None:
            raise ValueError(
                f"data.labelled={data.settings.labelled}: is for a head, which learns from labels: leave it"
                " out, or use contractive finetune"
            )
        return ContractiveAutoencoder(data.input_shape, scaled, **settings)
    classes = classes_of(data)
    model = Classifier(data.input_shape, classes, given["head"], scaled=scaled, **settings)
    measured = [f"{stage}/{term}" for stage in STAGES for term in model.terms]
    if wrong := [n for n in optimized if n not in measured and (n not in PROBED or model.on_inputs)]:
        raise ValueError(
            f"optimized_metric={wrong[0]} is not measured of this head: choose from"
            f" {', '.join(name for name in measured if name in METRICS)}"
        )
    if begins and given["encoder"] is None and model.chosen.tangents:
        raise ValueError(
            f"head.tangents={model.chosen.tangents} are those of a trained encoder: name one, encoder=RUN"
        )
    if begins and given["encoder"] is not None:
        model.begin_with(trained_encoder(given["encoder"]))
    return model


def figures_again(
    checkpoint: Path, settings: Mapping[str, Any], batches: Iterable[Any] | None = None
) -> dict[str, float]:
    """The figures of a checkpoint, computed as :func:`fit` does at its end.

    Args:
        checkpoint: of the run.
        settings: the run's, as it recorded them.
        batches: ``(x,)`` or ``(x, labels)`` to test on instead of the run's own splits.

    Raises:
        ValueError, FileNotFoundError: if the checkpoint, a setting or the data are not as they should be.
    """
    given = _completed(
        {name: value for name, value in settings.items() if name not in ("callbacks", "logger")}
    )
    with quiet(), TemporaryDirectory() as nothing:
        seed_everything(given["seed"], verbose=False)
        kind = Classifier if is_classifier(read_checkpoint(checkpoint)) else ContractiveAutoencoder
        model = kind.load_from_checkpoint(checkpoint)
        bars = [Progress()] if sys.stderr.isatty() else []
        trainer = make_trainer(given["trainer"], Path(nothing), bars, [])
        if batches is not None:
            (figures,) = trainer.test(model, batches, verbose=False)
            return dict(figures)
        data = DataModule(**given["data"], seed=given["seed"])
        data.prepare_data()
        data.setup()
        return evaluate(trainer, model, data, Probe.of(given["probe"]))


def _completed(settings: Mapping[str, Any] | DictConfig | None) -> dict[str, Any]:
    """All settings of a run in plain containers: what is given, checked, and defaults for the rest."""
    if isinstance(settings, DictConfig):
        ours = OmegaConf.masked_copy(settings, [str(key) for key in settings if key != "hydra"])
        given: dict[str, Any] = OmegaConf.to_container(ours, resolve=True)  # type: ignore[assignment]
    else:
        given = dict(settings or {})
    beside = names(TopLevel)
    known = [*GROUPS, "data", "callbacks", "logger", *beside]
    for name in given:
        if name not in known:
            raise ValueError(f"{name}: there is no such setting{nearest(name, known)}")
    complete = given | vars(TopLevel.of({name: given[name] for name in beside if name in given}))
    complete["data"] = {"source": "digits", **(given.get("data") or {})}
    for name, group in GROUPS.items():
        own = given.get(name) or {}
        with prefixed(f"{name}."):
            complete[name] = {**vars(group.of(own)), **own}  # type: ignore[attr-defined]
    return complete


@contextmanager
def _saying_what_is_left(directory: Path, signals: Signals) -> Iterator[None]:
    """Say where a run that is interrupted can go on, and which disk is full if the error does not."""
    try:
        yield
    except BaseException as error:
        interrupted = signals.interruption(error)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            raise OSError(f"could not write to {directory}: {error.strerror}") from error
        if interrupted is None or not is_first_process():
            raise
        finished = (directory / "metrics.json").is_file()
        saved = "" if (directory / LAST).is_file() else ", before anything was saved"
        how_far = ", when the run had finished" if finished else saved
        log.warning("Interrupted by %s%s", interrupted.number.name, how_far)
        if (directory / SETTINGS).is_file() and not finished:
            log.warning("Resume it:   %s", command_to_resume(directory))
        raise
