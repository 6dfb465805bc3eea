"""Training by a plain loop, for data in memory: the steps of a run without what surrounds them."""

import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from contractive.data.examples import Examples
from contractive.data.loader import MemoryLoader
from contractive.nn.autoencoder import Autoencoder
from contractive.objective import loss, seed_step, warmed_up
from contractive.training.history import NonFiniteLossError
from contractive.training.settings import Model


def train_epoch(
    model: Autoencoder,
    optimizer: Optimizer,
    x: Tensor,
    objective: Model,
    *,
    batch_size: int,
    epoch: int,
    first_step: int,
    seed: int,
) -> tuple[float, int]:
    """One pass over ``x``, with the order and the random numbers that a run of this seed has in this epoch.

    Args:
        model, optimizer: what learns.
        x: ``(n, *input_shape)``, as the model takes it.
        objective: what is minimised.
        batch_size: examples in a step.
        epoch, first_step: how many epochs and steps came before.
        seed: what order and random numbers depend on.

    Returns:
        The average loss, and how many steps it took.

    Raises:
        NonFiniteLossError: if the loss became NaN or infinite.
    """
    loader = MemoryLoader(Examples(x), torch.arange(len(x)), batch_size, shuffle=True, seed=seed)
    loader.set_epoch(epoch)
    generator, total = torch.Generator(), torch.zeros(())
    for number, (batch,) in enumerate(loader):
        lam = warmed_up(objective.lam, epoch + number / len(loader), objective.lam_warmup_epochs)
        terms = loss(
            model,
            batch,
            lam,
            lam_hessian=objective.lam_hessian,
            penalty=objective.penalty,
            hessian=objective.hessian,
            corruption=objective.corruption,
            unweighted=False,
            generator=seed_step(generator, seed, first_step + number),
        )
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        total += len(batch) * terms["loss"].detach()
    mean = total.item() / len(x)
    if not math.isfinite(mean):
        raise NonFiniteLossError(f"the loss became {mean} in epoch {epoch + 1}: lower lr or lam")
    return mean, len(loader)
