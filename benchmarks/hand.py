"""The loop that one would write by hand, beside which the benchmarks put a run."""

import time

import torch
from torch import Tensor

LR = 1e-3


def by_hand(x: Tensor, batch_size: int, hidden: int, epochs: int, lam: float) -> float:
    """Seconds for so many epochs over the float pictures ``x``, without any framework.

    An encoder of one sigmoid layer of ``hidden`` units with tied weights and the contraction penalty, Adam as
    torch has it by default. What comes before the first step does not count.
    """
    from contractive import contraction_penalty
    from contractive.nn.layers import Decoder, make_encoder

    shape = tuple(x.shape[1:])
    encoder = make_encoder(shape, [hidden], "sigmoid")
    decoder = Decoder(encoder, shape, "sigmoid", tied=True)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=LR)
    start = time.perf_counter()
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(batch_size):
            batch = x[index]
            code, penalty = contraction_penalty(encoder, batch)
            error = (decoder(code) - batch).square().flatten(1).sum(1).mean()
            optimizer.zero_grad()
            (error + lam * penalty.mean()).backward()
            optimizer.step()
    return time.perf_counter() - start
