"""Evaluating an encoder twice with the same random numbers, so that dropout drops the same units."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from contractive.jacobian.structure import Encoder, layers


def remember_randomness(encoder: Encoder, x: Tensor) -> Callable[[], AbstractContextManager]:
    """Taken before the encoder is evaluated, gives a context in which it draws the same numbers again."""
    if layers(encoder, x) is not None:
        return nullcontext  # nothing in it is random
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
