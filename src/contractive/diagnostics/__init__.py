"""Pure functions that look at a trained encoder and a batch, for callbacks and notebooks alike."""

from contractive.diagnostics.contraction import contraction_ratio, neighbour_directions, random_directions
from contractive.diagnostics.jacobian import jacobians
from contractive.diagnostics.spectrum import effective_rank, singular_values
from contractive.diagnostics.tangents import tangent_walk, tangents
from contractive.diagnostics.units import dead_units, saturation

__all__ = [
    "contraction_ratio",
    "dead_units",
    "effective_rank",
    "jacobians",
    "neighbour_directions",
    "random_directions",
    "saturation",
    "singular_values",
    "tangent_walk",
    "tangents",
]
