"""What is settled once for an encoder, a kind of batch and the settings, and kept while these do not change.

A plan holds choices and no modules: what it computes with is handed to it at every call.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from contractive.jacobian.encoder import Encoder, check_generator, check_input, uncompiled
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


class _Kept(NamedTuple):
    """The plans of one encoder, and what it was like when they were made."""

    facts: list[Any]
    plans: dict[Any, tuple[Plan, Any]]


_KEPT: "WeakKeyDictionary[nn.Module, _Kept]" = WeakKeyDictionary()


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
    encoder = uncompiled(encoder)
    check_generator(generator, x)
    if torch.compiler.is_compiling() or not isinstance(encoder, nn.Module):
        check_input(encoder, x)
        structure = Structure(encoder, layers(encoder, x))
        return make(structure, x)(structure, x, generator)
    facts = fingerprint(encoder)
    kept = _KEPT.get(encoder)
    if kept is None or kept.facts != facts:
        kept = _KEPT[encoder] = _Kept(facts, {})
    key = settings, x.shape, x.dtype, x.device, torch.is_autocast_enabled(x.device.type)
    if key in kept.plans:
        plan, stack = kept.plans[key]
        return plan(Structure(encoder, _held(stack)), x, generator)
    check_input(encoder, x)
    structure = Structure(encoder, layers(encoder, x))
    plan = make(structure, x)
    if len(kept.plans) >= _MOST:
        kept.plans.clear()
    kept.plans[key] = plan, _released(structure)
    return plan(structure, x, generator)


def _released(structure: Structure) -> Any:
    """The layers without their modules, which would keep the encoder alive that is to forget them."""
    if structure.layers is None:
        return None
    return [(ref(affine), ref(s.module), s.record) for affine, s in structure.layers]


def _held(stack: Any) -> list[Layer] | None:
    if stack is None:
        return None
    return [Layer(affine(), Pointwise(module(), record)) for affine, module, record in stack]
