"""Any encoder, exact, by automatic differentiation."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from contractive.penalties.settings import Method
from contractive.settings import setting

# Vectorising over more directions than fit into a processor's cache together makes them slower.
_CACHE = 2**24


@dataclass
class Autodiff(Method):
    """The rows of the Jacobian by vectorised reverse mode (``side="code"``), or its columns by forward mode
    (``side="input"``), whichever are fewer (``side="auto"``).

    What exceeds the memory is computed in chunks, and again in the backward pass instead of being kept.
    """

    exact = True

    side: str = setting("auto", "basis vectors of which side", choices=("auto", "input", "code"))
    memory_mib: int = setting(512, "what the derivatives may take at a time, in MiB", low=1)

    def plan(self, structure: Any, x: Any) -> Any:
        """The Jacobian along one basis."""
        from contractive.jacobian.linearise import with_derivative

        return lambda structure, x, generator: with_derivative(structure.encoder, x, self.squared_norm)

    def seconds(self, structure: Any, x: Any, work: Any) -> float:
        """As long as it takes for a code as long as the layers say; see :meth:`sweep_seconds`."""
        import torch

        if structure.layers is None:
            return self.sweep_seconds(x, 1, work)
        with torch.no_grad():
            return self.sweep_seconds(x, structure.encoder(x[:1]).flatten(1).shape[1], work)

    @staticmethod
    def sweep_seconds(x: Any, code_size: int, work: Any) -> float:
        """For each dimension of the smaller side three times the evaluation; once in many more operations."""
        directions = min(math.prod(x.shape[1:]), code_size)
        return float(work._replace(operations=40 + 6 * work.operations).seconds(x, times=3 * directions))

    def squared_norm(self, encoded: Any) -> Any:
        """``Σ_k ‖J e_k‖²`` over the basis of one side, as many vectors at a time as fit into the memory."""
        import torch
        from torch.utils.checkpoint import checkpoint

        from contractive.penalties.cost import Count
        from contractive.penalties.squares import accumulation_dtype

        side = encoded.smaller_side() if self.side == "auto" else self.side
        like, _ = encoded.along(side)
        size = math.prod(like.shape[1:])

        def squares(start: int, stop: int) -> Any:
            rows = encoded.along_basis(side, start, stop)
            return rows.to(accumulation_dtype(rows)).flatten(2).square().sum((0, 2))

        with Count() as first:
            penalty = squares(0, 1)
        # Twice, because the gradient of a direction takes about as much again.
        fit = max(1, self.memory_mib * 2**20 // max(1, 2 * first.bytes))
        at_once = fit if like.is_cuda else min(fit, max(1, _CACHE // max(1, first.bytes)))
        # Without checkpoints the graphs of all chunks are kept for the backward pass together.
        again = torch.is_grad_enabled() and size > fit
        run: Any = (
            partial(checkpoint, squares, use_reentrant=False, preserve_rng_state=False) if again else squares
        )
        for start in range(1, size, at_once):
            penalty = penalty + run(start, min(size, start + at_once))
        return penalty
