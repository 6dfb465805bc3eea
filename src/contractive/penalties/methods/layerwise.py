"""Any stack of linear layers and activations, exact."""

import math
from dataclasses import dataclass
from typing import Any

from contractive.penalties.settings import Method
from contractive.settings import setting


@dataclass
class Layerwise(Method):
    """The product of the layers' Jacobians, in the cheapest order.

    Convolutions are left to ``autodiff``: written as matrices they are mostly zeros.
    """

    exact = True

    memory_mib: int = setting(1024, "what may be kept for the backward pass, in MiB", low=1)

    def plan(self, structure: Any, x: Any) -> Any:
        """See :func:`contractive.penalties.kernels.layerwise.layerwise`."""
        from contractive.penalties.kernels.closed_form import closed_form
        from contractive.penalties.kernels.layerwise import layerwise

        if structure.dense is None:
            raise ValueError(
                "method layerwise takes an encoder of linear layers and pointwise activations, got another "
                "kind of module: use autodiff or hutchinson"
            )
        if len(structure.dense) == 1:
            return lambda structure, x, generator: closed_form(structure.layers[0], x)
        order, _ = self._order(structure.dense)
        return lambda structure, x, generator: layerwise(structure.layers, x, order, self.memory_mib)

    def seconds(self, structure: Any, x: Any, work: Any) -> float:
        """The products of the cheapest order, forward and backward, for each example."""
        from contractive.penalties.cost import Work

        if structure.dense is None:
            return math.inf
        _, multiplications = self._order(structure.dense)
        return Work(x.shape[0] * multiplications, operations=10 * len(structure.dense)).seconds(x)

    @staticmethod
    def _order(stack: Any) -> tuple[str, int]:
        from contractive.penalties.kernels.layerwise import cheapest_order

        weights = [layer.affine.weight for layer in stack]
        return cheapest_order([weights[0].shape[1], *(weight.shape[0] for weight in weights)])
