"""Any encoder, unbiased, for encoders of any size."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from contractive.penalties.settings import Method
from contractive.settings import setting


@dataclass
class Hutchinson(Method):
    """An unbiased estimate from random directions for each example.

    ``‖J‖²_F = E‖Jv‖² = E‖Jᵀu‖²`` for random ``v``, ``u`` with covariance ``I`` (Hutchinson 1990; on the
    code side Hoffman, Roberts, Yaida 2019). With one Rademacher probe the variance is
    ``2 (‖JᵀJ‖²_F − Σ_i (JᵀJ)²_ii)`` on the input side, the same with ``JJᵀ`` on the code side; it falls as
    ``1/probes``.

    ``side`` is ``input`` (forward mode), ``code`` (reverse mode) or ``auto``: forward mode, written out by
    layer, for affine layers with pointwise activations, else reverse mode. With a ``fraction`` the penalty is
    estimated on a random part of the batch and scaled by the inverse of the share; elsewhere it is 0.

    Raises:
        ValueError: more orthogonal probes than dimensions.
    """

    probes: int = setting(1, "random directions for each example", low=1)
    distribution: str = setting(
        "rademacher", "of the directions", choices=("rademacher", "gaussian", "orthogonal")
    )
    side: str = setting("auto", "random directions of which side", choices=("auto", "input", "code"))
    fraction: float = setting(1.0, "share of the batch it is estimated on", above=0, high=1)

    def plan(self, structure: Any, x: Any) -> Any:
        """By layer where the encoder is a stack of them."""
        import torch

        from contractive.jacobian.encoder import flat_code
        from contractive.jacobian.linearise import jvp_by_layer, with_derivative
        from contractive.penalties.directions import random_directions
        from contractive.penalties.squares import mean_square

        batch = x.shape[0]
        count = min(batch, max(1, round(self.fraction * batch)))
        by_layer = structure.layers is not None and self.side != "code"

        def run(structure: Any, x: Any, generator: Any) -> Any:
            order = torch.randperm(batch, device=x.device, generator=generator) if count < batch else None
            chosen = None if order is None else order[:count]
            like = x if chosen is None else x[chosen]
            if by_layer:
                v = random_directions(self.probes, like, self.distribution, generator)
                code, projections = jvp_by_layer(structure.layers, x, v, chosen)
                penalty = mean_square(projections)
            else:
                use = partial(self.estimate, generator=generator)
                code, penalty = with_derivative(structure.encoder, like, use)
                if order is not None:
                    rest = x[order[count:]]
                    code = torch.cat([code, flat_code(structure.encoder(rest), rest)])[order.argsort()]
            if chosen is not None:
                penalty = penalty.new_zeros(batch).index_copy(0, chosen, penalty * (batch / count))
            return code, penalty

        return run

    def seconds(self, structure: Any, x: Any, work: Any) -> float:
        """Three evaluations for each probe."""
        operations = (0 if structure.layers is not None else 20) + 4 * work.operations
        return float(work._replace(operations=operations).seconds(x, times=3 * self.probes))

    def estimate(self, encoded: Any, generator: Any) -> Any:
        """The mean of ``‖Jv‖²`` over random ``v`` (``side="input"``), else of ``‖Jᵀu‖²``."""
        from contractive.penalties.directions import random_directions
        from contractive.penalties.squares import mean_square

        like, apply = encoded.along("input" if self.side == "input" else "code")
        return mean_square(apply(random_directions(self.probes, like, self.distribution, generator)))
