"""One linear layer and an activation, exact."""

import math
from dataclasses import dataclass
from typing import Any

from contractive.penalties.settings import Method


@dataclass
class ClosedForm(Method):
    """``Σ_j s'(a_j)² ‖W_j‖²`` of one linear layer, with a flattening before it and an activation behind."""

    exact = True

    def plan(self, structure: Any, x: Any) -> Any:
        """See :func:`contractive.penalties.kernels.closed_form.closed_form`."""
        from contractive.penalties.kernels.closed_form import closed_form

        stack = structure.dense
        if stack is None or len(stack) != 1:
            raise ValueError(
                "method closed_form takes an encoder of one linear layer and a pointwise activation, "
                f"got {'another kind of module' if stack is None else f'{len(stack)} layers'}: "
                f"use {'autodiff or hutchinson' if stack is None else 'layerwise or hutchinson'}"
            )
        return lambda structure, x, generator: closed_form(structure.layers[0], x)

    def seconds(self, structure: Any, x: Any, work: Any) -> float:
        """A pass over the weights and some over the code."""
        if structure.dense is None or len(structure.dense) != 1:
            return math.inf
        weights = structure.dense[0].affine.weight.numel()
        return float(work._replace(multiplications=weights, operations=4 * work.operations).seconds(x))
