"""The one entry to all methods."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from contractive.jacobian.encoder import Encoder
from contractive.penalties.plans import METHODS, run_planned
from contractive.penalties.settings import Method, penalty_settings


def contraction_penalty(
    encoder: Encoder,
    x: Tensor,
    method: str = "auto",
    *,
    generator: torch.Generator | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """The code ``f(x)`` and the contraction penalty ``‖J_f(x)‖²_F`` of each example.

    ===================== =========================================== ======================================
    method                for                                         options
    ===================== =========================================== ======================================
    ``auto``              any encoder; what is exact while it is cheap ``max_ratio``, ``probes``
    ``exact``             any encoder, the cheapest exact method      none
    ``closed_form``       one linear layer, pointwise activation      none
    ``layerwise``         linear layers, pointwise activations        ``memory_mib``
    ``autodiff``          any encoder, exact                          ``side``, ``memory_mib``
    ``hutchinson``        any encoder, unbiased                       ``probes``, ``distribution``, ``side``,
                                                                      ``fraction``
    ``finite_difference`` any encoder, bias of order ``sigma²``       ``sigma``, ``probes``
    ===================== =========================================== ======================================

    Each is documented in the module of its name. The examples of a batch must not
    interact in the encoder; it is evaluated once, so dropout drops the same units in code and derivative.

    Args:
        encoder: a module or function from a batch to a batch.
        x: ``(batch, *input_shape)``, of a floating-point type.
        method: one of the above, with its own ``options``.
        generator: the source of randomness of the stochastic methods, on the device of ``x``.

    Returns:
        The code ``(batch, code_size)``, flattened where the encoder's is not flat, and the penalty
        ``(batch,)``, in float32 at least. Both can be differentiated in parameters and ``x``; under
        ``torch.no_grad()`` neither has a graph.

    Raises:
        ValueError: an unknown method or option, a value out of range, an ``x`` that is no batch or does not
            fit, an encoder that the method does not fit or that uses the statistics of the batch.

    >>> encoder = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid())
    >>> code, penalty = contraction_penalty(encoder, torch.rand(2, 4))
    >>> code.shape, penalty.shape
    (torch.Size([2, 3]), torch.Size([2]))
    """
    settings = _settings(method, options)
    key = (method, *vars(settings).values())
    return run_planned(settings.plan, key, encoder, x, generator)


_remembered = lru_cache(typed=True)(penalty_settings)


def _settings(method: str, options: dict[str, Any]) -> Method:
    if torch.compiler.is_compiling():
        # The compiler can trace neither how a class of settings is found nor how it checks itself.
        values = _constants(method, tuple(options.items()))
        settings: Method = object.__new__(METHODS[method])
        for name, value in values:
            setattr(settings, name, value)
        return settings
    try:
        return _remembered(method, **options)
    except TypeError:  # a list or the like, which cannot be remembered
        return penalty_settings(method, **options)


@torch.compiler.assume_constant_result
def _constants(method: str, options: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """The method's settings by name, defaults included."""
    return tuple(vars(penalty_settings(method, **dict(options))).items())
