"""What every method asks of the encoder and of ``x``, and what it returns."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contractive.jacobian.structure import Encoder


def check_input(encoder: Encoder, x: Tensor, generator: torch.Generator | None = None) -> None:
    """Raise a ValueError if ``x`` is no real batch or the encoder mixes its examples."""
    if not x.is_floating_point():
        raise ValueError(f"x must be of a floating-point type, got {x.dtype}: convert it with x.float()")
    if x.dim() < 2:
        raise ValueError(
            f"x must be (batch, *input_shape), got {tuple(x.shape)}: one example is a batch of 1, x[None]"
        )
    if generator is not None and generator.device.type != x.device.type:
        raise ValueError(
            f"generator must be on the device of x, {x.device}, got one on {generator.device}: "
            f"make it with torch.Generator({x.device.type!r})"
        )
    if not isinstance(encoder, nn.Module):
        return
    for name, module in encoder.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            raise ValueError(
                f"encoder has batch normalisation that uses the batch's own statistics "
                f"(module {name or 'encoder'!r}), "
                "so that no example has a Jacobian of its own: call .eval() on it (running statistics), "
                "or use group or layer normalisation"
            )


def flat_code(code: Tensor, x: Tensor) -> Tensor:
    """The code as ``(batch, code_size)``; a ValueError if its first dimension is not the batch."""
    if code.dim() < 1 or code.shape[0] != x.shape[0]:
        raise ValueError(
            f"encoder must map a batch of {x.shape[0]} to a batch of {x.shape[0]} codes, "
            f"got a code of shape {tuple(code.shape)} for x of shape {tuple(x.shape)}"
        )
    return code.flatten(1) if code.dim() > 1 else code[:, None]
