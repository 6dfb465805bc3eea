"""Pure functions that look at a trained encoder and a batch, for callbacks and notebooks alike.

Throughout, ``encoder`` maps ``x``, ``(batch, *input_shape)``, to ``(batch, code_size)``, in evaluation mode;
``model`` maps it to reconstructions of the same shape.
"""

from contractive.diagnostics.contraction import contraction_ratio, nearest_neighbours
from contractive.diagnostics.denoising import corrupted_reconstructions
from contractive.diagnostics.spectrum import effective_rank, jacobian_norms, singular_values
from contractive.diagnostics.tangents import estimated_tangents, tangent_walk, tangents
from contractive.diagnostics.units import dead_units, saturation
from contractive.jacobian.dense import jacobians

__all__ = [
    "contraction_ratio",
    "corrupted_reconstructions",
    "dead_units",
    "effective_rank",
    "estimated_tangents",
    "jacobian_norms",
    "jacobians",
    "nearest_neighbours",
    "saturation",
    "singular_values",
    "tangent_walk",
    "tangents",
]
