"""The contraction of a map in its worst direction alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from contractive.jacobian.encoder import Encoder, check_input
from contractive.jacobian.linearise import Linearised, linearise
from contractive.penalties.squares import accumulation_dtype
from contractive.settings import check_integer


def spectral_penalty(
    classifier: Encoder,
    x: Tensor,
    *,
    of_probabilities: bool = False,
    iterations: int = 1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """The outputs ``o(x)`` and ``‖J_o(x)‖²_2``, the largest squared singular value, of each example.

    Where the contraction penalty sums over all directions, this takes the one that moves the outputs most. It
    is found by power iteration from a random direction, a lower bound that rises with every iteration; the
    gradient is that of the length along the direction found.

    With ``of_probabilities`` the outputs are logits of classes and lengths are those of Fisher's information,
    ``uᵀ (diag(p) − p pᵀ) u`` with ``p = softmax(o)``: then ``ε²/2`` times the penalty is what the virtual
    adversarial loss ``max KL(p(x) ‖ p(x + r))`` over ``‖r‖ = ε`` tends to as ``ε`` falls (Miyato, Maeda,
    Koyama and Ishii: Virtual Adversarial Training, 2018, eq. 9).

    Args:
        classifier: a module or function from a batch to a batch, whose examples do not interact.
        x: ``(batch, *input_shape)``, of a floating-point type.
        of_probabilities: whether lengths of the outputs are measured as above.
        iterations: of the power method.
        generator: the source of the first direction, on the device of ``x``.

    Returns:
        The outputs ``(batch, outputs)`` and the penalty ``(batch,)``, both differentiable in parameters and
        ``x``.

    Raises:
        ValueError: if ``x`` does not fit the classifier, or there is no iteration.

    >>> classifier = torch.nn.Linear(2, 2, bias=False)
    >>> with torch.no_grad(): _ = classifier.weight.copy_(torch.diag(torch.tensor([3.0, 1.0])))
    >>> round(spectral_penalty(classifier, torch.zeros(1, 2), iterations=20)[1].item(), 4)
    9.0
    """
    check_integer("iterations", iterations, low=1)
    check_input(classifier, x)
    linearised = linearise(classifier, x)
    weigh = fisher(linearised.code) if of_probabilities else lambda u: u
    moved = linearised.along("input")[1](worst_direction(linearised, weigh, iterations, generator)[None])
    wide = accumulation_dtype(moved)
    return linearised.code, (moved.to(wide) * weigh(moved).to(wide)).sum((0, 2))


def worst_direction(
    linearised: Linearised,
    weigh: Callable[[Tensor], Tensor],
    iterations: int,
    generator: torch.Generator | None,
) -> Tensor:
    """The unit direction, of the shape of ``x``, in which the outputs move most, as far as it is found."""
    x, along = linearised.along("input")
    v = _unit(torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype))
    for _ in range(iterations):
        # Detached, not under no_grad: what is linearised here may be differentiated further.
        v = _unit(linearised.vjp(weigh(along(v[None])).detach())[0].detach())
    return v


def fisher(logits: Tensor) -> Callable[[Tensor], Tensor]:
    """Fisher's information ``diag(p) − p pᵀ`` of ``(batch, classes)`` as a map of ``(k, batch, classes)``."""
    p = logits.softmax(1)
    return lambda u: p * (u - (p * u).sum(2, keepdim=True))


def _unit(v: Tensor) -> Tensor:
    length = v.flatten(1).norm(dim=1).clamp_min(torch.finfo(v.dtype).tiny)
    return v / length.view(-1, *[1] * (v.dim() - 1))
