"""Whether the state of a training that a checkpoint holds fits what it is to be given back to.

Neither torch nor Lightning looks: a moment of the wrong shape makes a fused optimiser write beyond it.
"""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from contractive.data.loader import BatchLoader
from contractive.runs.checkpoints import check_apart, refusing
from contractive.training.callbacks.checkpoints import BEGINNING, PROGRESS
from contractive.training.history import StepHistory
from contractive.training.optimizers import kept_for_a_weight

log = logging.getLogger(__name__)
DAMAGED = "the state of its training is damaged"
LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
OPTIMIZED = "epoch_loop.automatic_optimization.optim_progress"
MOST_STEPS = 2**53  # beyond it numbers in floats no longer count


def how_far(checkpoint: Mapping[str, Any], path: str | Path) -> tuple[int, dict[str, Any]]:
    """How many epochs a run has completed, and what else one that goes on has to know, as in ``BEGINNING``.

    Raises:
        ValueError: naming the file, if it does not say so.
    """
    with refusing(path, DAMAGED):
        epochs = _entry(checkpoint, "loops", "fit_loop", "epoch_progress", "current")["processed"]
        _check_counts(epochs, "epoch_progress")
        progress = {**BEGINNING, **checkpoint.get(PROGRESS, {})}
        like = dict(BEGINNING)
        if progress["best"] is not None:
            like["best"] = {"epoch": 1, "step": 1, "score": 1.0}
        if isinstance(progress["validated"], dict):
            like["validated"] = dict.fromkeys(map(str, progress["validated"]), 1.0)
        _check_alike(progress, like, PROGRESS)
        return epochs, progress


def check_progress(checkpoint: Mapping[str, Any], trainer: Trainer) -> None:
    """Check how far a training was, and that what its callbacks and its precision keep can be theirs.

    Raises:
        ValueError: naming the file and what of it does not fit.
    """
    with refusing(str(trainer.ckpt_path), DAMAGED):
        # Lightning takes what another version of it counted as far as it goes.
        complete = checkpoint["pytorch-lightning_version"] == lightning.__version__
        for name in LOOPS:
            saved = _entry(checkpoint, "loops", name)
            for key, progress in getattr(trainer, name).state_dict().items():
                if key.endswith("state_dict"):
                    _entry(saved, key)
                elif complete or key in saved:
                    _check_alike(saved.get(key), progress, key)
                    _check_counts(saved[key], key)
        steps, epoch = checkpoint["global_step"], checkpoint["epoch"]
        taken = _entry(checkpoint, "loops", "fit_loop", OPTIMIZED, "optimizer", "step", "total")["completed"]
        past = _entry(checkpoint, "loops", "fit_loop", "epoch_progress", "current")["processed"]
        # What is saved at the end of an epoch has counted it already, and still stands in it.
        if taken != steps or not epoch <= past <= epoch + 1 or epoch > steps:
            raise ValueError(f"it counts {taken} steps and {past} epochs, and {steps} and {epoch} elsewhere")
        histories = [checkpoint["history"]] if "history" in checkpoint else []
        for history in [*histories, *checkpoint.get("histories", [])]:
            StepHistory.check_state(history)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if callback.state_key in _entry(checkpoint, "callbacks"):
                _entry(checkpoint, "callbacks", callback.state_key)
        plugin = trainer.precision_plugin
        for name in (type(plugin).__qualname__, "native_amp_scaling_state"):
            if name in checkpoint:
                _check_alike(checkpoint[name], plugin.state_dict(), name)


def check_state(
    checkpoint: dict[str, Any], before: Mapping[str, Any], model: LightningModule, other: bool
) -> None:
    """Check what optimisers, schedules and loaders keep against those that are to go on with it.

    Args:
        checkpoint: its ``optimizer_states`` are changed as ``other`` says.
        before: the settings of the optimiser that it is of.
        model: which is to go on, its trainer being set up.
        other: whether the run was asked for another optimiser or schedule than the checkpoint's. Its own
            settings then take the place of those that are saved; if it keeps other things for each weight
            it begins anew, and that is said.

    Raises:
        ValueError: naming the file and what of it does not fit.
    """
    trainer = model.trainer
    path = str(trainer.ckpt_path)
    with refusing(path, DAMAGED):
        _check_batches(_entry(checkpoint, "loops", "fit_loop"), trainer)
        if not other:
            schedules = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
            _check_alike(checkpoint.get("lr_schedulers"), schedules, "lr_schedulers")
            _check_schedules(checkpoint["lr_schedulers"], checkpoint["global_step"])
        own = [optimizer.state_dict()["param_groups"] for optimizer in trainer.optimizers]
        states = checkpoint.get("optimizer_states")
        if not isinstance(states, list) or len(states) != len(own):
            raise ValueError(f"optimizer_states are not {len(own)}")
        device = trainer.strategy.root_device
        kept_now, kept = (kept_for_a_weight(s, device) for s in (model.hparams["optimizer"], before))
        for optimizer, state, groups in zip(trainer.optimizers, states, own):
            if other:
                state["param_groups"] = groups
            _check_alike(state.get("param_groups"), groups, "param_groups")
            if [group["params"] for group in state["param_groups"]] != [group["params"] for group in groups]:
                raise ValueError("the optimiser's weights are not those of the model")
            _check_moments(_entry(state, "state"), kept, optimizer, checkpoint)
    if other and kept.keys() != kept_now.keys():
        name = model.hparams["optimizer"]["name"]
        log.warning("What the optimiser of %r kept is of no use to %s, which begins anew", path, name)
        checkpoint["optimizer_states"] = []


def _check_moments(
    state: Mapping[Any, Any], kept: Mapping[str, Tensor], optimizer: Optimizer, checkpoint: Mapping[str, Any]
) -> None:
    """What is kept for each weight has its shape and type, or is one number; each lies in its own memory."""
    steps = checkpoint["global_step"]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    trained = {number for number, parameter in enumerate(parameters) if parameter.requires_grad}
    if state.keys() - trained or (steps and state.keys() != trained):
        raise ValueError("the optimiser keeps something for other weights than the model has")
    # Not the model's own: it gets its precision later.
    dtypes = {tensor.dtype for tensor in checkpoint["state_dict"].values() if tensor.is_floating_point()}
    for number in state:
        if steps and _entry(state, number).keys() != kept.keys():
            raise ValueError(f"for weight {number} the optimiser keeps {', '.join(map(str, state[number]))}")
        for name, tensor in state[number].items():
            place = f"{name} of weight {number}"
            like = kept.get(name)
            if not isinstance(tensor, Tensor) or like is None:
                raise ValueError(f"{place} is no tensor of the optimiser")
            is_moment = like.ndim > 0
            shape = parameters[number].shape if is_moment else like.shape
            if tensor.shape != shape or tensor.dtype not in (dtypes if is_moment else {like.dtype}):
                raise ValueError(
                    f"{place} is {tensor.dtype} {tuple(tensor.shape)} and should be {tuple(shape)}"
                )
            if not tensor.isfinite().all():
                raise ValueError(f"{place} is not finite")
            if name == "step" and not 0 <= tensor.item() <= steps:
                raise ValueError(f"{place} is {tensor.item():g} after {steps} steps")
    check_apart({f"{name} of weight {n}": tensor for n in state for name, tensor in state[n].items()})


def _check_schedules(schedules: list[dict[str, Any]], steps: int) -> None:
    for schedule in schedules:
        if not 0 <= schedule.get("last_epoch", 0) <= steps:
            raise ValueError(f"a schedule is at {schedule['last_epoch']} after {steps} steps")
        _check_schedules(schedule.get("_schedulers", []), steps)


def _check_batches(fit_loop: Mapping[str, Any], trainer: Trainer) -> None:
    """Where in an epoch it stopped, and where the loaders go on, is in an epoch of these data."""
    loader = None if trainer.datamodule is None else trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
    if not isinstance(loader, BatchLoader):
        return
    stopped = fit_loop["epoch_loop.batch_progress"]
    if not stopped["is_last_batch"]:
        loader.load_state_dict({"batch": stopped["current"]["ready"]})
    for state in fit_loop["state_dict"].get("combined_loader", []):
        loader.load_state_dict(state)


def _check_counts(progress: Any, place: str) -> None:
    """Counters are no less than nothing."""
    if isinstance(progress, Mapping):
        for name, value in progress.items():
            _check_counts(value, f"{place}.{name}")
    elif not 0 <= progress <= MOST_STEPS:
        raise ValueError(f"{place} is {progress}")


def _check_alike(saved: Any, own: Any, place: str) -> None:
    """What is saved has the names, lengths, kinds and shapes of what it is to replace, and is finite."""
    if isinstance(own, Mapping):
        if not isinstance(saved, Mapping) or saved.keys() != own.keys():
            names = f"{', '.join(map(str, saved))}" if isinstance(saved, Mapping) else repr(saved)
            raise ValueError(f"{place} is {names} instead of {', '.join(map(str, own))}")
        for name in own:
            _check_alike(saved[name], own[name], f"{place}.{name}")
        return
    if isinstance(own, list | tuple):
        if not isinstance(saved, list | tuple) or len(saved) != len(own):
            raise ValueError(f"{place} is {saved!r} instead of {len(own)} values")
        for number, (each, mine) in enumerate(zip(saved, own)):
            _check_alike(each, mine, f"{place}[{number}]")
        return
    if isinstance(own, Tensor):
        fits = isinstance(saved, Tensor) and (saved.shape, saved.dtype) == (own.shape, own.dtype)
        fits = fits and bool(saved.isfinite().all())
    elif isinstance(own, float):
        fits = type(saved) in (int, float) and (math.isfinite(saved) or saved == own)
    else:
        fits = type(saved) is type(own) and (saved == own or not isinstance(own, str))
    if not fits:
        raise ValueError(f"{place} is {saved!r:.80}, which cannot take the place of {own!r:.80}")


def _entry(saved: Any, *names: Any) -> Any:
    """The dictionary that lies under these names in dictionaries."""
    for name in names:
        saved = saved.get(name)
        if not isinstance(saved, dict):
            raise ValueError(f"{name} is missing, or no dictionary")
    return saved
