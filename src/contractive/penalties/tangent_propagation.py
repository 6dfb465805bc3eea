"""Tangent propagation: what a classifier says is not to change along given directions."""

from torch import Tensor

from contractive.jacobian.encoder import Encoder, check_input, flat_code
from contractive.jacobian.linearise import jvp_by_layer, linearise
from contractive.jacobian.structure import layers
from contractive.penalties.squares import accumulation_dtype


def tangent_propagation_penalty(classifier: Encoder, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs ``o(x)`` and ``Σ_t ‖∂o/∂x · u_t‖²`` of each example, a sum over tangents and outputs.

    The term of Simard, Victorri, LeCun and Denker (Tangent prop, NIPS 1991) that Rifai et al. (The Manifold
    Tangent Classifier, NIPS 2011, section 4) add to a classifier's loss, with the tangents that a contractive
    autoencoder has found: see :func:`contractive.diagnostics.tangents`. Its weight goes with their sum and so
    is small, such as 1e-3.

    Args:
        classifier: a module or function from a batch to a batch, whose examples do not interact.
        x: ``(batch, *input_shape)``, of a floating-point type.
        directions: ``(batch, tangents, *input_shape)``, of any floating-point type; half precision saves
            memory where they are kept for a whole data set.

    Returns:
        The outputs ``(batch, outputs)`` and the penalty ``(batch,)``, both differentiable in parameters and
        ``x``.

    Raises:
        ValueError: if the directions do not fit ``x``, or ``x`` does not fit the classifier.

    >>> import torch
    >>> classifier, x = torch.nn.Linear(2, 1, bias=False), torch.zeros(1, 2)
    >>> _ = torch.nn.init.constant_(classifier.weight, 3.0)
    >>> directions = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    >>> tangent_propagation_penalty(classifier, x, directions)[1].item()  # (3 · 1)² + (3 · 2)²
    45.0
    """
    check_input(classifier, x)
    if directions.dim() != x.dim() + 1 or directions.shape[:1] + directions.shape[2:] != x.shape:
        wanted = ", ".join(map(str, (x.shape[0], "tangents", *x.shape[1:])))
        raise ValueError(f"directions must be ({wanted}), as x is; got {tuple(directions.shape)}")
    along = directions.to(x).transpose(0, 1)
    if stack := layers(classifier, x):
        outputs, moved = jvp_by_layer(stack, x, along)
    else:
        linearised = linearise(classifier, x)
        outputs, moved = flat_code(linearised.code, x), linearised.along("input")[1](along)
    return outputs, moved.to(accumulation_dtype(moved)).square().sum((0, 2))
