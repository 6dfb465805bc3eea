"""What is settled once for an encoder, a kind of batch and the settings, and kept while these do not change.

A plan holds choices and no modules: what it computes with is handed to it at every call.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from contractive.jacobian.encoder import Encoder, check_input
from contractive.jacobian.pointwise import Pointwise
from contractive.jacobian.structure import Layer, Structure, fingerprint, layers
from contractive.penalties.settings import METHODS as PACKAGE
from contractive.penalties.settings import Method
from contractive.settings import choices, chosen

#: The classes of the methods by name; at hand before anything is compiled.
METHODS: dict[str, type[Method]] = {name: chosen(PACKAGE, name) for name in choices(PACKAGE)}

Plan = Callable[[Structure, Tensor, torch.Generator | None], Any]

# Kinds of batch for which plans of one encoder are kept; a loader has two or three.
_MOST = 32
# What each encoder was like when its plans were made, and those plans with its layers.
_KEPT: "WeakKeyDictionary[nn.Module, tuple[list[Any], dict[Any, tuple[Plan, Any]]]]" = WeakKeyDictionary()


def run_planned(
    make: Callable[[Structure, Tensor], Plan],
    settings: tuple[Any, ...],
    encoder: Encoder,
    x: Tensor,
    generator: torch.Generator | None,
) -> Any:
    """The result of ``make(structure, x)(structure, x, generator)``, with the plan made once.

    Made anew for another ``settings``, another shape, type or device of ``x``, under autocast or not, and
    when anything about the encoder's modules has changed: their types, mode, hooks or parameters' sizes. An
    encoder that is no module has nothing to be recognised by, so its plan is made at every call.

    Raises:
        ValueError: ``x`` is no batch that the encoder takes, the examples interact in the encoder, or
            ``generator`` is on another device.
    """
    # The result of torch.compile has no second derivative; the module that it was given does.
    encoder = getattr(encoder, "_orig_mod", encoder)
    if generator is not None and generator.device.type != x.device.type:
        raise ValueError(
            f"generator must be on the device of x, {x.device}, got one on {generator.device}: "
            f"make it with torch.Generator({x.device.type!r})"
        )
    if torch.compiler.is_compiling() or not isinstance(encoder, nn.Module):
        check_input(encoder, x)
        structure = Structure(encoder, layers(encoder, x))
        return make(structure, x)(structure, x, generator)
    facts = fingerprint(encoder)
    known, plans = _KEPT.get(encoder, (None, {}))
    if known != facts:
        plans = {}
        _KEPT[encoder] = facts, plans
    key = settings, x.shape, x.dtype, x.device, torch.is_autocast_enabled(x.device.type)
    if key in plans:
        plan, stack = plans[key]
        held = stack and [Layer(affine(), Pointwise(module(), record)) for affine, module, record in stack]
        return plan(Structure(encoder, held), x, generator)
    check_input(encoder, x)
    structure = Structure(encoder, layers(encoder, x))
    plan = make(structure, x)
    if len(plans) >= _MOST:
        plans.clear()
    # The modules themselves would keep the encoder alive.
    refs = [(ref(affine), ref(s.module), s.record) for affine, s in structure.layers or ()]
    plans[key] = plan, refs or None
    return plan(structure, x, generator)
