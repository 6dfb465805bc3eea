"""Whether a run fits into memory, before it begins: the system ends what takes too much without a word."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch

from contractive.nn.layers import make_encoder
from contractive.nn.settings import Network
from contractive.settings import names

FLOAT, HALF = 4, 2  # bytes
GIB = 2**30


def check_memory(
    input_shape: Sequence[int], batch_size: int, model: Mapping[str, Any], optimizer: str
) -> None:
    """Check that what a training step needs at the least is there, where the system says how much there is.

    Args:
        input_shape: of one example.
        batch_size: examples in a batch.
        model: settings of :class:`contractive.training.settings.Model`.
        optimizer: name of a class of ``torch.optim``.

    Raises:
        ValueError: naming the setting that asks for more than there is.
    """
    free = _free()
    if free is None:
        return
    network = Network.of({name: model[name] for name in names(Network) if name in model})
    with torch.device("meta"):  # shapes alone
        encoder = make_encoder(input_shape, network.hidden, network.activation, network.channels)
    # On a GPU, whose memory is another, weights are made in this one all the same.
    copies = 1 if torch.cuda.is_available() else 4 if "adam" in optimizer.lower() else 2
    weights = FLOAT * sum(weight.numel() for weight in encoder.parameters()) * (1 if network.tied else 2)
    of_what = (
        "weights, with their gradients and what the optimiser keeps of them," if copies > 1 else "weights"
    )
    size = str(list(network.hidden)).replace(" ", "")
    _check(f"model.hidden={size}", of_what, copies * weights, free)
    if copies == 1:
        return
    dimensions = prod(input_shape) + network.hidden[-1]  # of a direction and of its derivative
    for group, what in (("penalty", "probes"), ("hessian", "samples")):
        count = (model.get(group) or {}).get(what, 1)
        if group == "penalty" or model.get("lam_hessian", 0) > 0:
            directions = FLOAT * count * batch_size * dimensions
            _check(
                f"model.{group}.{what}={count}", f"directions for a batch of {batch_size}", directions, free
            )


def check_tangents(count: int, examples: int, input_shape: Sequence[int], processes: int) -> None:
    """Check that so many tangents of each example can be kept in half precision, by each of some processes.

    Raises:
        ValueError: if there is less memory, where the system says how much there is.
    """
    free = _free()
    if free is not None:
        needed = HALF * count * examples * prod(input_shape) * processes
        of_whom = f" in each of {processes} processes" if processes > 1 else ""
        other = ", or find them anew for each batch, head.keep_tangents=false"
        _check(f"head.tangents={count}", f"tangents of {examples} examples{of_whom}", needed, free, other)


def _check(setting: str, what: str, needed: int, free: int, other: str = "") -> None:
    if needed > free:
        said = f"the {what} take {needed / GIB:.3g} GiB, and {free / GIB:.3g} GiB of memory are free"
        raise ValueError(f"{setting}: {said}: make it smaller{other}")


def _free() -> int | None:
    """Bytes of memory that can be had without swapping, as Linux tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
