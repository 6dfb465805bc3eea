"""What the settings of a model may be."""

from typing import Any

from contractive.checks.corruption import check_corruption
from contractive.checks.penalty import check_hessian, check_penalty
from contractive.checks.values import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_sizes,
    prefixed,
)

ACTIVATIONS = ("sigmoid", "tanh", "softplus", "relu", "elu", "gelu", "silu", "identity")
RECONSTRUCTIONS = ("squared_error", "cross_entropy")


def check_model(
    *,
    hidden: Any,
    channels: Any,
    activation: Any,
    tied: Any,
    reconstruction: Any,
    lam: Any,
    lam_warmup_epochs: Any,
    lam_hessian: Any,
    hessian: Any,
    corruption: Any,
    penalty: Any,
) -> None:
    """Check the settings of :class:`contractive.ContractiveAutoencoder`.

    Raises:
        ValueError: if a setting is not what it may be. The message starts with the setting's name, so that
            the command line can put ``model.`` in front.
    """
    check_sizes("hidden", hidden, at_least=1)
    check_sizes("channels", channels, at_least=0)
    check_choice("activation", activation, ACTIVATIONS)
    check_flag("tied", tied)
    check_choice("reconstruction", reconstruction, RECONSTRUCTIONS)
    check_number("lam", lam, low=0)
    check_integer("lam_warmup_epochs", lam_warmup_epochs, low=0)
    check_number("lam_hessian", lam_hessian, low=0)
    with prefixed("hessian."):
        check_hessian(**(hessian or {}))
    with prefixed("penalty."):
        check_penalty(**(penalty or {}))
    if corruption:
        with prefixed("corruption."):
            check_corruption(**corruption)
