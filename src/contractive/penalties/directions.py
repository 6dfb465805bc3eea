"""Random directions for the stochastic estimator."""

import math

import torch
from torch import Tensor


def random_directions(
    probes: int, like: Tensor, distribution: str = "rademacher", generator: torch.Generator | None = None
) -> Tensor:
    """``probes`` random directions ``v`` for each example, with ``E[v vᵀ] = I``.

    They are ``(probes, batch, *shape)`` of the type and on the device of ``like``, ``(batch, *shape)``.
    The ``distribution`` is ``rademacher`` (entries ±1), ``gaussian``, or ``orthogonal`` (those of one example
    are perpendicular, of length ``√size``; as many as the size make the estimate exact). ``generator`` is on
    the device of ``like``.

    Raises:
        ValueError: more orthogonal directions than there are dimensions.

    >>> random_directions(2, torch.zeros(3, 4)).square().sum(-1)
    tensor([[4., 4., 4.],
            [4., 4., 4.]])
    """
    shape = (probes, *like.shape)
    if distribution == "rademacher":
        # Eight signs from each random byte: drawing them one by one would cost as much as a layer.
        count = math.prod(shape)
        packed = (-(-count // 8), 1)
        drawn = torch.randint(256, packed, dtype=torch.uint8, device=like.device, generator=generator)
        bits = drawn >> torch.arange(8, dtype=torch.uint8, device=like.device) & 1
        return bits.flatten()[:count].view(shape).to(like.dtype).mul_(2).sub_(1)
    if distribution == "gaussian":
        return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)
    batch, size = like.shape[0], math.prod(like.shape[1:])
    if probes > size:
        raise ValueError(
            f"probes must be at most {size} for orthogonal directions in {size} dimensions, got {probes}"
        )
    exact = torch.promote_types(like.dtype, torch.float32)
    normal = torch.randn(batch, size, probes, dtype=exact, device=like.device, generator=generator)
    # A direction and its opposite count alike, so the signs that QR prefers do no harm.
    columns = torch.linalg.qr(normal).Q * math.sqrt(size)
    return columns.permute(2, 0, 1).reshape(shape).to(like.dtype)
