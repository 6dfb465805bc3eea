"""The exact penalty of any module, by automatic differentiation."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from contractive.jacobian.linearise import Linearised, linearise
from contractive.jacobian.precision import accumulation_dtype
from contractive.jacobian.structure import Encoder

MEMORY_MIB = 512

# Vectorising over more directions than fit into a processor's cache together makes them slower.
_CACHE = 2**24


@torch.compiler.disable  # the compiler cannot trace a vector-Jacobian product that outlives its function
def autodiff(
    encoder: Encoder, x: Tensor, *, side: str = "auto", memory_mib: int = MEMORY_MIB
) -> tuple[Tensor, Tensor]:
    """Code and exact penalty of any encoder whose examples do not interact.

    The rows of the Jacobian by vectorised reverse mode (``side="code"``), or its columns by forward mode
    (``side="input"``), whichever are fewer (``side="auto"``).

    Args:
        encoder: any module or function of a batch.
        x: ``(batch, *input_shape)``.
        side: ``auto``, ``code`` or ``input``.
        memory_mib: about how much memory the derivatives may take at a time, in MiB. What exceeds it is
            computed in chunks, and again in the backward pass instead of being kept.

    Returns:
        The code ``(batch, code_size)`` and the penalty ``(batch,)``.

    Raises:
        ValueError: the encoder does not take ``x``, or does not return one code per example.

    >>> code, penalty = autodiff(torch.sin, torch.zeros(5, 3))
    >>> penalty
    tensor([3., 3., 3., 3., 3.])
    """
    encoded = linearise(encoder, x)
    return encoded.code, exact_penalty(encoded, x, side, memory_mib)


def exact_penalty(encoded: Linearised, x: Tensor, side: str = "auto", memory_mib: int = MEMORY_MIB) -> Tensor:
    """``Σ_k ‖J e_k‖²`` over the basis of one side, as many basis vectors at a time as fit into the memory."""
    if side == "auto":
        fewer_inputs = math.prod(x.shape[1:]) < encoded.code.shape[1]
        side = "input" if fewer_inputs and encoded.push is not None else "code"
    like, apply = encoded.along(side, x)
    size = math.prod(like.shape[1:])

    def squares(start: int, stop: int) -> Tensor:
        basis = torch.zeros(stop - start, size, dtype=like.dtype, device=like.device)
        basis.diagonal(start).fill_(1)
        rows = apply(basis.view(-1, 1, *like.shape[1:]).expand(-1, *like.shape))
        return rows.to(accumulation_dtype(rows)).flatten(2).square().sum((0, 2))

    with _OutputBytes() as first:
        penalty = squares(0, 1)
    # Twice, because the gradient of a direction takes about as much again.
    fit = max(1, memory_mib * 2**20 // max(1, 2 * first.total))
    at_once = fit if like.is_cuda else min(fit, max(1, _CACHE // max(1, first.total)))
    # Without checkpoints the graphs of all chunks are kept for the backward pass together.
    again = torch.is_grad_enabled() and size > fit
    for start in range(1, size, at_once):
        chunk = start, min(size, start + at_once)
        penalty = penalty + (
            checkpoint(squares, *chunk, use_reentrant=False, preserve_rng_state=False)
            if again
            else squares(*chunk)
        )
    return penalty


class _OutputBytes(TorchDispatchMode):
    """Adds up the memory of all tensors that are computed while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.total += result.numel() * result.element_size()
        return result
