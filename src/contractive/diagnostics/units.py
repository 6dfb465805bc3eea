"""What the code units do: pinned to a bound, or never moving at all."""

from torch import Tensor


def saturation(code: Tensor, bounds: tuple[float, float] = (0.0, 1.0)) -> Tensor:
    """Return the share of activations within 5 % of either bound of the activation function.

    For the sigmoid: below 0.05 or above 0.95 (SAT in Rifai et al., ICML 2011, Table 1). The hyperbolic
    tangent is a sigmoid stretched to ``(-1, 1)``, so with those bounds the share means the same.
    ``code`` is ``(batch, code_size)``; the share is a scalar.

    >>> import torch
    >>> saturation(torch.tensor([[0.01, 0.5], [0.99, 0.3]]))
    tensor(0.5000)
    """
    low, high = bounds
    margin = 0.05 * (high - low)
    return ((code < low + margin) | (code > high - margin)).float().mean()


def dead_units(code: Tensor, tolerance: float = 1e-3) -> Tensor:
    """Return the share of code units that do not tell the examples of a batch apart.

    A unit is dead when its highest and lowest activation over the batch differ by less than
    ``tolerance``: a rectifier that never fires, a sigmoid that is pinned for every example.
    ``code`` is ``(batch, code_size)``, with enough examples for a living unit to move; the share is a scalar.

    >>> import torch
    >>> dead_units(torch.tensor([[0.0, 0.5], [0.0, 0.3]]))
    tensor(0.5000)
    """
    return (code.amax(0) - code.amin(0) < tolerance).float().mean()
