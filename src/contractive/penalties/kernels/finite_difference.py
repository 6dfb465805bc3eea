"""The penalty without derivatives: how far a little noise moves the code."""

import torch
from torch import Tensor

from contractive.jacobian.inputs import flat_code
from contractive.jacobian.precision import accumulation_dtype, without_autocast
from contractive.jacobian.randomness import remember_randomness
from contractive.jacobian.structure import Encoder


def finite_difference(
    encoder: Encoder,
    x: Tensor,
    *,
    sigma: float = 0.01,
    probes: int = 1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Code and ``‖f(x + ε) − f(x)‖² / σ²``, averaged over ``probes`` draws of ``ε ~ N(0, σ²I)``.

    It needs no second derivatives, hence the least memory. Its mean is the penalty up to a bias of order
    ``σ²``: ``σ² (¼ Σ_j ((Δf_j)² + 2 ‖H_j‖²_F) + Σ_j ∇f_j · ∇Δf_j)`` with ``H_j`` the Hessian of code unit
    ``j`` and ``Δf_j`` its trace, nothing for an affine encoder. Too small a ``sigma`` drowns in rounding,
    for which reason the code is computed without autocast.

    Args:
        encoder: any module or function of a batch whose examples do not interact.
        x: ``(batch, *input_shape)``.
        sigma: standard deviation of the noise, in units of ``x``.
        probes: draws per example.
        generator: the source of randomness, on the device of ``x``.

    Returns:
        The code ``(batch, code_size)`` and the estimate ``(batch,)``.

    >>> code, penalty = finite_difference(torch.nn.Linear(3, 2), torch.zeros(5, 3))
    >>> penalty.shape
    torch.Size([5])
    """
    replay = remember_randomness(encoder, x)
    with without_autocast(x):
        code = flat_code(encoder(x), x)
        penalty = torch.zeros(x.shape[0], dtype=accumulation_dtype(x), device=x.device)
        for _ in range(probes):
            noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
            with replay():
                moved = flat_code(encoder(x + sigma * noise), x)
            penalty = penalty + (moved - code).to(penalty.dtype).square().sum(1)
    return code, penalty / (probes * sigma**2)
