"""A classifier's probabilities one step away, in the direction that moves them most."""

import torch
import torch.nn.functional as F
from torch import Tensor

from contractive.jacobian.encoder import Encoder, check_input
from contractive.jacobian.linearise import linearise
from contractive.penalties.spectral import fisher, worst_direction
from contractive.penalties.squares import accumulation_dtype
from contractive.settings import check_integer, check_number


def adversarial_penalty(
    classifier: Encoder,
    x: Tensor,
    radius: float,
    *,
    iterations: int = 1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """The outputs ``o(x)`` and ``2 KL(p(x) ‖ p(x + r)) / ε²`` of each example, with ``‖r‖ = ε``.

    The virtual adversarial loss (Miyato, Maeda, Koyama and Ishii, 2018, eq. 5 and 6) in the units of
    :func:`spectral_penalty`, which it tends to as the radius ``ε`` falls: ``p = softmax(o)``, and ``r`` has
    the direction that is found there. A step as long as those between examples also meets what the derivative
    at ``x`` does not know of: a bend on the way. As in the paper ``p(x)`` is what ``p(x + r)`` is to come to,
    and has no gradient itself.

    Args:
        classifier: a module or function from a batch to a batch of logits, whose examples do not interact.
        x: ``(batch, *input_shape)``, of a floating-point type.
        radius: ``ε``, in units of ``x``.
        iterations: of the power method.
        generator: the source of the first direction, on the device of ``x``.

    Returns:
        The outputs ``(batch, outputs)``, without a gradient, and the penalty ``(batch,)``, which is
        differentiable in parameters.

    Raises:
        ValueError: if ``x`` does not fit the classifier, the radius is not above 0, or there is no iteration.

    >>> logits = lambda x: torch.cat([x, -x], 1)
    >>> round(adversarial_penalty(logits, torch.zeros(1, 1), radius=2.0)[1].item(), 4)
    0.6625
    >>> p = torch.tensor([2.0, -2.0]).softmax(0)
    >>> round(2 * (0.5 * (0.5 / p).log()).sum().item() / 2**2, 4)
    0.6625
    """
    check_number("radius", radius, above=0)
    check_integer("iterations", iterations, low=1)
    check_input(classifier, x)
    with torch.no_grad():
        linearised = linearise(classifier, x)
        outputs = linearised.code
        v = worst_direction(linearised, fisher(outputs), iterations, generator)
    beside = classifier(x + radius * v).flatten(1).to(accumulation_dtype(outputs))
    target = outputs.to(beside.dtype).log_softmax(1)
    apart = F.kl_div(beside.log_softmax(1), target, reduction="none", log_target=True).sum(1)
    return outputs, 2 / radius**2 * apart
