"""The singular values of the Jacobian: how many directions the code responds to, and how strongly."""

import torch
from torch import Tensor

from contractive.jacobian.dense import jacobians
from contractive.jacobian.structure import Encoder
from contractive.penalties import contraction_penalty


def singular_values(encoder: Encoder, x: Tensor, chunk_size: int = 16) -> Tensor:
    """Return the singular values of ``J_f(x)``, largest first, in units of code per unit of input.

    Averaged over the examples they are the spectrum of Rifai et al., ICML 2011, Fig. 3. A matrix with
    orthonormal columns on its left does not change singular values, so each Jacobian is first cut down
    to the triangular factor of its QR decomposition, whose side is the smaller of the two. The Gram
    matrix of that side would be cheaper still, but it squares the values and loses those below
    ``3e-4`` of the largest in single precision. Memory holds ``chunk_size`` Jacobians at a time.

    Returns:
        ``(batch, min(code_size, input_size))``.

    >>> singular_values(lambda x: x @ torch.diag(torch.tensor([1.0, 3.0])), torch.zeros(1, 2))
    tensor([[3., 1.]])
    """
    values = []
    for part in x.split(chunk_size):
        matrices = jacobians(encoder, part)
        tall = matrices if matrices.shape[1] >= matrices.shape[2] else matrices.mT
        values.append(torch.linalg.svdvals(torch.linalg.qr(tall, mode="r").R))
    return torch.cat(values)


def jacobian_norms(encoder: Encoder, x: Tensor) -> Tensor:
    """Return ``‖J_f(x)‖_F``, the root of the contraction penalty, exactly: ``(batch,)``, code per input.

    Rifai et al., ICML 2011, Table 1, give its average over a data set.

    >>> jacobian_norms(lambda x: x * torch.tensor([3.0, 4.0]), torch.zeros(1, 2))
    tensor([5.])
    """
    with torch.no_grad():
        return contraction_penalty(encoder, x, "exact")[1].sqrt()


def effective_rank(values: Tensor) -> Tensor:
    """Return the effective rank ``(...)`` of matrices with the singular values ``(..., rank)``.

    It is ``exp(−Σ_k p_k log p_k)`` with ``p_k = σ_k / Σ_i σ_i`` (Roy and Vetterli: The effective rank, a
    measure of effective dimensionality, EUSIPCO 2007, definition 1): ``n`` for ``n`` equal values, near
    one when one value outweighs the rest, and zero for the zero matrix.

    >>> effective_rank(torch.tensor([[2.0, 2.0, 2.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    tensor([3., 1., 0.])
    """
    total = values.sum(-1)
    share = values / total.clamp(min=torch.finfo(values.dtype).tiny).unsqueeze(-1)
    entropy = -torch.special.xlogy(share, share).sum(-1)
    return torch.where(total > 0, entropy.exp(), 0.0)
