"""Walk along the manifold that was learnt, and show where the walks come by.

From an example x with code h = f(x): h moves by J Jᵀ ε with normal ε, x becomes g(h), and so on (Rifai,
Bengio, Dauphin, Vincent, ICML 2012).
"""

from dataclasses import fields

from contractive.commands.opening import check_pictures, drawn_examples, open_data, open_run
from contractive.commands.options import Parser
from contractive.runs.files import unfinished, write_atomically
from contractive.settings import check_integer, prefixed
from contractive.training.settings import Sampling


def main() -> None:
    """Sample from the run that the command line names."""
    parser = Parser("sample", __doc__)
    parser.takes_run()
    parser.takes_data("the run's own training split: where the walks start")
    parser.takes_output((".png", ".npy"), "one picture .png, or an array .npy in the data's own units")
    parser.add_argument("-n", type=int, default=64, help="how many samples (64)")
    for spec in fields(Sampling):
        name = f"--{spec.name.replace('_', '-')}"
        parser.add_argument(
            name,
            type=type(spec.default),
            default=spec.default,
            help=f"{spec.metadata['help']} ({spec.default})",
        )
    parser.add_argument("--chains", type=int, help="how many walks share the samples (one each)")
    arguments = parser.parse()
    chains = arguments.n if arguments.chains is None else arguments.chains
    check_integer("-n", arguments.n, low=1)
    check_integer("--chains", chains, low=1)
    with prefixed("--"):
        chosen = Sampling(**{spec.name: getattr(arguments, spec.name) for spec in fields(Sampling)})
    # Here, not above: --help does not wait for torch.
    import numpy as np
    import torch

    from contractive.diagnostics.grids import COLUMNS, image_grid, png
    from contractive.diagnostics.sampling import samples

    opened, path = open_run(arguments.run, arguments.device, "sample"), arguments.output
    if path.suffix.lower() == ".png":
        check_pictures(opened, path)
    rows = open_data(arguments.data, arguments.root, opened, "train")
    generator = torch.Generator().manual_seed(chosen.seed)
    start = drawn_examples(rows, min(chains, arguments.n), generator)
    x = samples(
        opened.model, start, arguments.n, chosen.sigma, chosen.burn_in, chosen.thinning, generator
    ).cpu()
    if path.suffix.lower() == ".png":
        write_atomically(path, png(image_grid(x.clamp(0, 1), COLUMNS)))
    else:
        with unfinished(path) as file:
            np.save(file, x.numpy())
    print(f"Written to {path}: {len(x)} samples of {len(start)} walks, shape {tuple(x.shape[1:])}")
