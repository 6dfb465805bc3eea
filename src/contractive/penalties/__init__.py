"""The contraction penalty ``‖J_f(x)‖²_F`` as pure functions of an encoder and a batch."""

from contractive.penalties.contraction import contraction_penalty
from contractive.penalties.hessian import hessian_penalty

__all__ = ["contraction_penalty", "hessian_penalty"]
