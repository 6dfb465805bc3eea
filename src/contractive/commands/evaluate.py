"""Print the figures of a run on its own splits, those of its metrics.json, or of the test on other data."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from contractive.commands.opening import Opened, data_of, open_data, open_run, own_settings
from contractive.commands.options import Parser
from contractive.runs.files import write_atomically
from contractive.runs.trained import Trained, find_trained

if TYPE_CHECKING:
    from contractive.data.rows import Rows


def main() -> None:
    """Evaluate the run that the command line names."""
    parser = Parser("evaluate", __doc__)
    parser.takes_run()
    parser.takes_data("the run's own validation and test splits")
    parser.takes_output((".json",), "write them to a .json file too", required=False)
    arguments = parser.parse()
    if arguments.data is None:
        figures = own_figures(find_trained(arguments.run))
    else:
        figures = figures_on(open_run(arguments.run, "cpu"), arguments.data, arguments.root)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value!r}")
    if arguments.output is not None:
        text = json.dumps(figures, indent=2) + "\n"
        print(f"Written to {write_atomically(arguments.output, text)}: {len(figures)} figures")


def own_figures(run: Trained) -> dict[str, float]:
    """The figures on the run's own validation and test splits.

    Raises:
        ValueError, FileNotFoundError: if the run's settings or its data are not there any more.
    """
    # Here, not above: --help does not wait for torch.
    from contractive.training.fitting import figures_again

    with data_of(run):
        return figures_again(run.checkpoint, own_settings(run))


def figures_on(opened: Opened, data: str, root: str | None) -> dict[str, float]:
    """The figures of the test on the data of a name."""
    from contractive.training.fitting import figures_again

    return figures_again(opened.run.checkpoint, opened.run.settings(), Batches(open_data(data, root, opened)))


class Batches:
    """Rows as Lightning takes them: batches ``(x,)``."""

    def __init__(self, rows: "Rows") -> None:
        self.rows = rows

    def __iter__(self) -> "Iterator[tuple[Any]]":
        return ((piece.x,) for piece in self.rows.pieces())
