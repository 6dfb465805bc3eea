"""What a step of training costs, estimated in seconds: as rough as a choice among methods can bear."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from contractive.jacobian.structure import Layer

# Rounded from steps timed on two cores of a server, in float32: encoders 13–8 and 13–20–6–11 at batch 6 for
# what does not depend on size, 784–1000 and 784–512–64 at batch 256 for the rest. CUDA: an H200's data sheet.
STEP = 1e-3  # seconds of a step however small: loop, loss, optimiser, logging
OPERATION = 1.5e-5  # seconds of an operation however small, forward and backward
MULTIPLICATIONS = {"cpu": 1e11, "cuda": 2e13}  # a second, in matrix products
ELEMENTS = {"cpu": 1e9, "cuda": 5e11}  # a second, of a pointwise operation's result


class Work(NamedTuple):
    """What is computed in one go: multiplications in matrix products, elements written, operations called."""

    multiplications: float
    elements: float = 0
    operations: float = 0

    def seconds(self, x: Tensor, times: float = 1) -> float:
        """How long it takes on the device of ``x`` with ``times`` as much data in the same operations."""
        kind = "cpu" if x.device.type == "cpu" else "cuda"
        data = self.multiplications / MULTIPLICATIONS[kind] + self.elements / ELEMENTS[kind]
        return data * times + self.operations * OPERATION


def work_of(layers: Sequence[Layer], x: Tensor) -> Work:
    """The work of evaluating a stack of layers at ``x``, found with one example."""
    multiplications = elements = 0
    with torch.no_grad():
        h = x[:1]
        for layer in layers:
            a = layer.before(h)
            multiplications += layer.affine.weight.numel() * prod(a.shape[2:])
            elements += 2 * prod(a.shape[1:])
            h = layer.activation.value(a)
    batch = x.shape[0]
    return Work(batch * multiplications, batch * elements, 2 * len(layers))


class Count(TorchDispatchMode):
    """Adds up the work that is done, and the bytes that are written, while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.work, self.bytes = Work(0), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            flops = flop_registry.get(func.overloadpacket)
            multiplications = flops(*args, **kwargs, out_val=result) / 2 if flops else 0
            done = Work(multiplications, result.numel(), 1)
            self.work = Work(*map(sum, zip(self.work, done)))
            self.bytes += result.numel() * result.element_size()
        return result
