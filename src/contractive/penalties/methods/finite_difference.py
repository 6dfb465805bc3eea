"""Any encoder, biased by the order of sigma squared, in the least memory."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from contractive.penalties.settings import Method
from contractive.settings import setting


@dataclass
class FiniteDifference(Method):
    """``‖f(x + ε) − f(x)‖² / σ²``, averaged over ``probes`` draws of ``ε ~ N(0, σ²I)``.

    It needs no second derivatives, hence the least memory. Its mean is the penalty up to a bias of order
    ``σ²``: ``σ² (¼ Σ_j ((Δf_j)² + 2 ‖H_j‖²_F) + Σ_j ∇f_j · ∇Δf_j)`` with ``H_j`` the Hessian of code unit
    ``j`` and ``Δf_j`` its trace, nothing for an affine encoder. Too small a ``sigma`` drowns in rounding,
    for which reason the code is computed without autocast.
    """

    sigma: float = setting(0.01, "standard deviation of the noise, in units of x", above=0)
    probes: int = setting(1, "draws for each example", low=1)

    def plan(self, structure: Any, x: Any) -> Any:
        """One more evaluation for each probe, with the same random numbers as the first."""
        import torch

        from contractive.jacobian.encoder import flat_code, remember_randomness, without_autocast
        from contractive.penalties.squares import accumulation_dtype

        random = structure.layers is None

        def run(structure: Any, x: Any, generator: Any) -> Any:
            encoder = structure.encoder
            replay = remember_randomness(x) if random else nullcontext
            with without_autocast(x):
                code = flat_code(encoder(x), x)
                penalty = torch.zeros(x.shape[0], dtype=accumulation_dtype(x), device=x.device)
                for _ in range(self.probes):
                    noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
                    with replay():
                        moved = flat_code(encoder(x + self.sigma * noise), x)
                    penalty = penalty + (moved - code).to(penalty.dtype).square().sum(1)
            return code, penalty / (self.probes * self.sigma**2)

        return run
