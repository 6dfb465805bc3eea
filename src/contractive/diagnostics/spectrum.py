"""The singular values of the Jacobian: how many directions the code responds to, and how strongly."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from contractive.jacobian.dense import jacobians
from contractive.jacobian.structure import Encoder
from contractive.penalties import contraction_penalty


def singular_values(encoder: Encoder, x: Tensor, chunk_size: int = 16) -> Tensor:
    """Return the singular values of ``J_f(x)``, largest first, in units of code per unit of input.

    Averaged over the examples they are the spectrum of Rifai et al., ICML 2011, Fig. 3. They are the roots of
    the eigenvalues of the Gram matrix of the Jacobian's smaller side: half the work of a decomposition of the
    Jacobian itself. The Gram matrix squares the values, so it alone, and its eigenvalues, are in double
    precision: ``σ_k`` is off by ``1e-7 σ_1`` at most, no more than by the rounding of a Jacobian in single
    precision, and its relative error is ``1e-14 (σ_1 / σ_k)²``. Memory holds ``chunk_size`` Jacobians at a
    time; each core takes an example at a time.

    Returns:
        ``(batch, min(code_size, input_size))``.

    >>> singular_values(lambda x: x @ torch.diag(torch.tensor([1.0, 3.0])), torch.zeros(1, 2))
    tensor([[3., 1.]])
    """
    workers = torch.get_num_threads()
    values: list[np.ndarray] = []
    # A core for each example: a product or decomposition of one is too small to be shared among them.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        for part in x.split(chunk_size):
            values += pool.map(_singular_values, jacobians(encoder, part))
    return torch.from_numpy(np.stack(values)).to(x)


def _singular_values(jacobian: Tensor) -> np.ndarray:
    tall = jacobian.double().cpu().numpy()
    if tall.shape[0] < tall.shape[1]:
        tall = tall.T
    # numpy computes half of a product of a matrix with itself, and mirrors it.
    eigenvalues: np.ndarray = np.linalg.eigvalsh(tall.T @ tall)[::-1]
    return np.sqrt(eigenvalues.clip(0))


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
