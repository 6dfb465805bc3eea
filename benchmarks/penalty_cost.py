"""What the contraction penalty costs, beside what else one would write.

The time of a whole training step (forward, backward, Adam) as a ratio to the same step of a plain
autoencoder: the median over interleaved rounds of the ratio within a round, so that a machine that is
slower for a while is slower for both. Peak memory is the largest resident set of a process that does
three such steps (on CUDA the largest allocation), less that of the plain autoencoder's process.

    python benchmarks/penalty_cost.py                       # every table
    python benchmarks/penalty_cost.py shapes --untied       # one of them
    python benchmarks/penalty_cost.py growth --device cuda --compile
"""

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from contractive.nn.layers import Decoder, make_encoder
from contractive.penalties import contraction_penalty

Penalty = Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]

# name: input shape, convolutions, linear layers, batch
SHAPES: dict[str, tuple[tuple[int, ...], list[int], list[int], int]] = {
    "784–1000, batch 128": ((784,), [], [1000], 128),
    "784–1000, batch 256": ((784,), [], [1000], 256),
    "784–1000, batch 1024": ((784,), [], [1000], 1024),
    "784–512–64, batch 256": ((784,), [], [512, 64], 256),
    "1×28×28, convolutions 32, 64, linear 64, batch 256": ((1, 28, 28), [32, 64], [64], 256),
    "784–512–16, batch 256": ((784,), [], [512, 16], 256),
    "784–512–256, batch 256": ((784,), [], [512, 256], 256),
    "784–512–256–64, batch 256": ((784,), [], [512, 256, 64], 256),
    "784–512–512–256–64, batch 256": ((784,), [], [512, 512, 256, 64], 256),
    "3072–2000–200, batch 1024": ((3072,), [], [2000, 200], 1024),
}


def naive(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The snippet that everyone copies, for one sigmoid layer, its weight not detached."""
    h = encoder(x)
    weight = next(encoder.parameters())
    return h, (h * (1 - h)).square() @ weight.square().sum(1)


def vmap_jacrev(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """A Jacobian per example, as the documentation of ``torch.func`` has it."""
    without_flatten = nn.Sequential(*(layer for layer in encoder.children() if type(layer) is not nn.Flatten))
    jacobian = torch.func.vmap(torch.func.jacrev(without_flatten))(x)
    return encoder(x), jacobian.flatten(1).square().sum(1)


def vmap_jacrev_of_batches(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same with each example as a batch of one, for which PyTorch finds larger matrix products."""
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: encoder(one[None])[0]))(x)
    return encoder(x), jacobian.flatten(1).square().sum(1)


def one_backward_per_unit(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    h = encoder(x)
    penalty = x.new_zeros(len(x))
    for unit in h.sum(0):
        (row,) = torch.autograd.grad(unit, x, create_graph=True)
        penalty = penalty + row.flatten(1).square().sum(1)
    return h, penalty


METHODS: dict[str, Penalty | None] = {
    "plain": None,
    "closed_form": partial(contraction_penalty, method="closed_form"),
    "layerwise": partial(contraction_penalty, method="layerwise"),
    "autodiff": partial(contraction_penalty, method="autodiff"),
    "hutchinson": partial(contraction_penalty, method="hutchinson"),
    "hutchinson, code side": partial(contraction_penalty, method="hutchinson", side="code"),
    "hutchinson, fraction 0.25": partial(contraction_penalty, method="hutchinson", fraction=0.25),
    "finite_difference": partial(contraction_penalty, method="finite_difference"),
    "naive snippet": naive,
    "vmap(jacrev)": vmap_jacrev,
    "vmap(jacrev), batches of one": vmap_jacrev_of_batches,
    "one backward per unit": one_backward_per_unit,
}

ONE_LAYER = ["closed_form", "naive snippet", "hutchinson", "finite_difference"]
STOCHASTIC = ["hutchinson", "hutchinson, code side", "hutchinson, fraction 0.25", "finite_difference"]
EXACT = ["layerwise", "autodiff", "vmap(jacrev)", "vmap(jacrev), batches of one", "one backward per unit"]

# Methods that are timed together take turns; slow ones would leave the caches cold for fast ones.
TABLES: dict[str, list[tuple[str, list[str], int]]] = {
    "shapes": [
        ("784–1000, batch 128", ONE_LAYER, 100),
        ("784–1000, batch 256", ONE_LAYER, 80),
        ("784–1000, batch 1024", ONE_LAYER, 40),
        ("784–512–64, batch 256", STOCHASTIC, 80),
        ("784–512–64, batch 256", EXACT, 7),
        ("1×28×28, convolutions 32, 64, linear 64, batch 256", STOCHASTIC, 20),
        (
            "1×28×28, convolutions 32, 64, linear 64, batch 256",
            ["autodiff", "vmap(jacrev), batches of one", "one backward per unit"],
            3,
        ),
    ],
    "growth": [
        (shape, ["layerwise", "autodiff", "hutchinson"], 5)
        for shape in (
            "784–512–16, batch 256",
            "784–512–64, batch 256",
            "784–512–256, batch 256",
            "784–512–256–64, batch 256",
            "784–512–512–256–64, batch 256",
        )
    ],
    "large": [("3072–2000–200, batch 1024", ["layerwise", "autodiff", "hutchinson"], 1)],
}


def make_step(shape: str, method: str, args: argparse.Namespace) -> Callable[[], None]:
    """A training step of an autoencoder of this shape, with this penalty."""
    input_shape, channels, hidden, batch = SHAPES[shape]
    torch.manual_seed(0)
    encoder = make_encoder(input_shape, hidden, "sigmoid", channels)
    decoder = Decoder(encoder, input_shape, "sigmoid", tied=not args.untied)
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder}).to(args.device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = torch.rand(batch, *input_shape, device=args.device)
    penalty = METHODS[method]

    def loss(x: Tensor) -> Tensor:
        code, norms = (encoder(x), None) if penalty is None else penalty(encoder, x)
        reconstruction = (decoder(code) - x).square().sum() / batch
        return reconstruction if norms is None else reconstruction + 1e-3 * norms.mean()

    if args.compile:
        loss = torch.compile(loss)

    def step() -> None:
        optimiser.zero_grad()
        loss(x).backward()
        optimiser.step()
        if args.device == "cuda":
            torch.cuda.synchronize()

    return step


def time_together(
    shape: str, methods: list[str], rounds: int, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds of each step in each round; the order turns, so that each follows each other."""
    steps = {method: make_step(shape, method, args) for method in ["plain", *methods]}
    seconds: dict[str, list[float]] = {method: [] for method in steps}
    for step in steps.values():
        for _ in range(3 if rounds > 1 else 1):
            step()
    names = list(steps)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            steps[name]()
            seconds[name].append(time.perf_counter() - start)
    del steps
    gc.collect()
    return seconds


def peak_mib(shape: str, method: str, args: argparse.Namespace) -> float:
    """Peak memory of a process of its own."""
    command = [sys.executable, __file__, "--peak", shape, method, "--device", args.device]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(answer.strip().split("\n")[-1])


def print_peak(shape: str, method: str, args: argparse.Namespace) -> None:
    step = make_step(shape, method, args)
    for _ in range(1 if shape.startswith("3072") else 3):
        step()
    cuda = args.device == "cuda"
    # The resident set is counted in KiB.
    print(
        torch.cuda.max_memory_allocated() / 2**20
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="table", help=", ".join(TABLES))
    parser.add_argument("--untied", action="store_true", help="give the decoder weights of its own")
    parser.add_argument("--compile", action="store_true", help="compile the loss of every step")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--peak", nargs=2, metavar=("SHAPE", "METHOD"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        shape, method = args.peak
        print_peak(shape, method, args)
        return
    unknown = set(args.tables) - set(TABLES)
    if unknown:
        parser.error(f"no such table: {', '.join(unknown)}; there are {', '.join(TABLES)}")
    threads = torch.get_num_threads()
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"CPU, {threads} threads"
    print(f"torch {torch.__version__}, {where}, {'untied' if args.untied else 'tied'}, Adam", end="")
    print(", compiled\n" if args.compile else "\n")
    for table in args.tables or TABLES:
        with_memory = table != "shapes"
        print("| shape | method | ms per step | ÷ plain |" + (" MiB beyond plain |" if with_memory else ""))
        print("| --- | --- | --- | --- |" + (" --- |" if with_memory else ""))
        for shape, methods, rounds in TABLES[table]:
            seconds = time_together(shape, methods, rounds, args)
            base = peak_mib(shape, "plain", args) if with_memory else 0.0
            for name, times in seconds.items():
                ratio = statistics.median(a / b for a, b in zip(times, seconds["plain"]))
                row = f"| {shape} | {name} | {1e3 * statistics.median(times):.2f} | {ratio:.2f} |"
                if with_memory:
                    row += f" {peak_mib(shape, name, args) - base:.0f} |" if name != "plain" else " |"
                print(row, flush=True)
        print()


if __name__ == "__main__":
    main()
