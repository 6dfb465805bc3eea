"""Optimisers and learning-rate schedules of torch by the names of their classes."""

import inspect
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer, lr_scheduler

from contractive.settings import names, nearest
from contractive.training.settings import Scheduler

# One kernel for all parameters instead of a dozen for each: where torch has it for every device.
FUSED = ("Adam", "AdamW")
GIVEN_HERE = ("self", "params", "optimizer", "last_epoch")


def check_arguments(group: str, cls: type, given: Iterable[str]) -> None:
    """Raise ``ValueError`` if a class of another library takes no argument of one of these names."""
    known = [name for name in inspect.signature(cls).parameters if name not in GIVEN_HERE]
    for name in given:
        if name not in known:
            hint = f"{nearest(name, known)}; it takes {', '.join(known)}"
            raise ValueError(f"{group}.{name}: {cls.__name__} takes no such argument{hint}")


def make_optimizer(parameters: Iterable[Tensor], settings: Mapping[str, Any]) -> Optimizer:
    """The optimiser that ``settings``, ``name`` and arguments of a class of ``torch.optim``, describe.

    Raises:
        ValueError: if the class does not take these arguments.
    """
    arguments = {"fused": True} if settings["name"] in FUSED else {}
    arguments |= {name: value for name, value in settings.items() if name != "name"}
    return _made("optimizer", getattr(torch.optim, settings["name"]), arguments, params=parameters)


def kept_for_a_weight(settings: Mapping[str, Any], device: torch.device) -> dict[str, Tensor]:
    """What an optimiser keeps for one weight once it has taken a step: moments have the weight's shape,
    ``(2, 3)`` here, and what is one number has none.

    >>> kept = kept_for_a_weight({"name": "Adam", "lr": 0.1}, torch.device("cpu"))
    >>> {name: tuple(tensor.shape) for name, tensor in kept.items()}
    {'step': (), 'exp_avg': (2, 3), 'exp_avg_sq': (2, 3)}
    """
    weight = torch.nn.Parameter(torch.zeros(2, 3, device=device))
    weight.grad = torch.zeros_like(weight)
    optimizer = make_optimizer([weight], settings)
    optimizer.step()
    return {name: tensor.cpu() for name, tensor in optimizer.state[weight].items()}


def make_scheduler(optimizer: Optimizer, settings: Mapping[str, Any], group: str = "scheduler") -> Any:
    """The schedule that ``settings`` describe: ``name`` and arguments of a class of
    ``torch.optim.lr_scheduler``, in ``schedulers`` the settings of those that it combines.

    Raises:
        ValueError: if the class does not take these arguments.

    >>> optimizer = make_optimizer([torch.zeros(1)], {"name": "SGD", "lr": 1.0})
    >>> schedule = make_scheduler(optimizer, {"name": "ExponentialLR", "gamma": 0.5})
    >>> optimizer.step(); schedule.step(); schedule.get_last_lr()
    [0.5]
    """
    own = names(Scheduler) if group == "scheduler" else ("name", "schedulers")
    arguments = {name: value for name, value in settings.items() if name not in own}
    if nested := settings.get("schedulers"):
        arguments["schedulers"] = [
            make_scheduler(optimizer, each, f"{group}.schedulers[{i}]") for i, each in enumerate(nested)
        ]
    return _made(group, getattr(lr_scheduler, settings["name"]), arguments, optimizer=optimizer)


def replay(schedule: Any, steps: int) -> None:
    """Let a new schedule take so many steps, or start anew if what it does depends on losses gone by."""
    if not isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the optimiser took no steps in between
            for _ in range(steps):
                schedule.step()


def _made(group: str, cls: type, arguments: dict[str, Any], **given: Any) -> Any:
    check_arguments(group, cls, arguments)
    try:
        return cls(**given, **arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ValueError(f"{group}: {cls.__name__} does not take {arguments}: {error}") from error
