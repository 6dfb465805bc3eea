"""How much the encoder brings neighbouring points together, near and far."""

import torch
import torch.nn.functional as F
from torch import Tensor

from contractive.jacobian.structure import Encoder


def contraction_ratio(encoder: Encoder, x: Tensor, directions: Tensor, radii: Tensor) -> Tensor:
    """Return the distance in code space ÷ the distance in input space, ``(radii, batch)``.

    ``‖f(x + r u) − f(x)‖ / r`` for unit vectors ``u`` (Rifai et al., ICML 2011, section 5.2 and Fig. 2), the
    ``directions`` in the shape of ``x``, at every ``r`` of ``radii``, ``(radii,)``, in units of the input.
    As ``r → 0`` it tends to ``‖J_f(x) u‖``, in random directions to about ``‖J_f(x)‖_F / √input_size``;
    an encoder that contracts around the data has small ratios at small radii and larger ones further out.

    Raises:
        ValueError: if a radius is not positive.

    >>> x = torch.zeros(1, 2)
    >>> contraction_ratio(lambda x: 3 * x, x, torch.tensor([[0.0, 1.0]]), torch.tensor([0.5, 2.0]))
    tensor([[3.],
            [3.]])
    """
    if not bool((radii > 0).all()):
        raise ValueError(f"radii must be positive; got {radii.tolist()}")
    with torch.no_grad():
        code = encoder(x)
        steps = [(encoder(x + radius * directions) - code).norm(dim=1) / radius for radius in radii]
    return torch.stack(steps)


def nearest_neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit vector from each example to its nearest neighbour in the batch, and how far that is.

    The directions have the shape of ``x``, the distances ``(batch,)``. Repeated examples are passed over: the
    neighbour is the nearest at a positive distance.

    Raises:
        ValueError: if an example has no other example at a positive distance.

    >>> nearest_neighbours(torch.tensor([[0.0, 0.0], [0.0, 2.0], [5.0, 2.0]]))
    (tensor([[ 0.,  1.],
            [ 0., -1.],
            [-1.,  0.]]), tensor([2., 2., 5.]))
    """
    flat = x.flatten(1)
    # By default cdist expands ‖a − b‖² for speed, whose rounding turns repeated examples into near ones.
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    nearest, index = distances.masked_fill(distances == 0, torch.inf).min(dim=1)
    if bool(nearest.isinf().any()):
        raise ValueError(f"x must hold at least two different examples; got {len(x)} equal ones")
    return F.normalize((x[index] - x).flatten(1)).view_as(x), nearest
