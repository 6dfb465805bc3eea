"""What the settings of an optimiser may be."""

from collections.abc import Mapping
from typing import Any

from contractive.checks.values import check_choice, check_number

# Those of torch.optim that minimise from gradients alone, in one call a step.
OPTIMIZERS = ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")


def check_optimizer(settings: Mapping[str, Any]) -> None:
    """Check ``name`` and ``lr``; the class itself checks what else it takes.

    Raises:
        ValueError: if there is no such optimiser, or the learning rate is not a positive number.
    """
    check_choice("name", settings.get("name"), OPTIMIZERS)
    check_number("lr", settings.get("lr"), above=0)
    if "weight_decay" in settings:
        check_number("weight_decay", settings["weight_decay"], low=0)
