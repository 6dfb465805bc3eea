"""What is asked of an encoder and a batch before any derivative is taken, and how it is evaluated."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Encoder = Callable[[Tensor], Tensor]


def check_input(encoder: Encoder, x: Tensor) -> None:
    """Raise a ValueError if ``x`` is no real batch or the encoder mixes its examples."""
    if not x.is_floating_point():
        raise ValueError(f"x must be of a floating-point type, got {x.dtype}: convert it with x.float()")
    if x.dim() < 2:
        raise ValueError(
            f"x must be (batch, *input_shape), got {tuple(x.shape)}: one example is a batch of 1, x[None]"
        )
    for name, module in encoder.named_modules() if isinstance(encoder, nn.Module) else ():
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            raise ValueError(
                "encoder has batch normalisation that uses the batch's own statistics (module "
                f"{name or 'encoder'!r}), so that no example has a Jacobian of its own: call .eval() on it "
                "(running statistics), or use group or layer normalisation"
            )


def flat_code(code: Tensor, x: Tensor) -> Tensor:
    """The code as ``(batch, code_size)``; a ValueError if its first dimension is not the batch."""
    if code.dim() < 1 or code.shape[0] != x.shape[0]:
        raise ValueError(
            f"encoder must map a batch of {x.shape[0]} to a batch of {x.shape[0]} codes, "
            f"got a code of shape {tuple(code.shape)} for x of shape {tuple(x.shape)}"
        )
    return code.flatten(1) if code.dim() > 1 else code[:, None]


def without_autocast(t: Tensor) -> AbstractContextManager:
    """A context in which matrix products keep the precision of their operands."""
    kind = t.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def remember_randomness(x: Tensor) -> Callable[[], AbstractContextManager]:
    """Taken before an encoder is evaluated, gives a context in which it draws the same numbers again, so that
    dropout drops the same units."""
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state(x.device) if x.is_cuda else None

    @contextmanager
    def replay() -> Iterator[None]:
        with torch.random.fork_rng([x.device] if cuda is not None else []):
            torch.set_rng_state(cpu)
            if cuda is not None:
                torch.cuda.set_rng_state(cuda, x.device)
            yield

    return replay
