"""The precision in which the penalty is summed."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def accumulation_dtype(t: Tensor) -> torch.dtype:
    """float64 for float64, else float32: sums of squares in bfloat16 would lose most of their digits."""
    return torch.float64 if t.dtype == torch.float64 else torch.float32


def without_autocast(t: Tensor) -> AbstractContextManager:
    """A context in which matrix products keep the precision of their operands."""
    kind = t.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
