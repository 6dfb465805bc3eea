"""Print the figures of a run on its own splits, those of its metrics.json, or of the test on other data."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from contractive.commands.opening import (
    data_of,
    open_classifier,
    open_data,
    open_run,
    own_settings,
    tells_classes,
)
from contractive.commands.options import Parser
from contractive.data.labels import UNKNOWN
from contractive.runs.files import write_atomically
from contractive.runs.trained import Trained, find_trained

if TYPE_CHECKING:
    from torch import Tensor

    from contractive.data.rows import Rows
    from contractive.training.classifier import Classifier

log = logging.getLogger(__name__)


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
        figures = figures_on(arguments.run, arguments.data, arguments.root)
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


def figures_on(run: Path, data: str, root: str | None) -> dict[str, float]:
    """The figures of the test on the data of a name.

    Raises:
        ValueError, FileNotFoundError: if there are no such run and data, or no label that a head could tell.
    """
    from contractive.training.fitting import figures_again

    classifier = None
    if tells_classes(run):
        opened, classifier = open_classifier(run, "cpu")
    else:
        opened = open_run(run, "cpu")
    batches = Batches(open_data(data, root, opened), classifier)
    figures = figures_again(opened.run.checkpoint, opened.run.settings(), batches)
    if classifier is not None and batches.labelled < batches.count:
        lacking = f"{batches.count - batches.labelled} of {batches.count} examples"
        if not batches.labelled:
            raise ValueError(
                f"{data}: no example has a label that the head could tell, as a test needs:"
                " contractive classify says what it takes them for"
            )
        log.warning("%s: %s have no label that the head could tell, and do not count", data, lacking)
    return figures


class Batches:
    """Rows as Lightning takes them: batches ``(x,)``, or ``(x, labels)`` for a classifier.

    Once they were gone through, ``labelled`` of ``count`` examples had a label that it could tell.
    """

    def __init__(self, rows: "Rows", classifier: "Classifier | None") -> None:
        self.rows = rows
        self.classifier = classifier

    def __iter__(self) -> "Iterator[tuple[Tensor, ...]]":
        self.count = self.labelled = 0
        for piece in self.rows.pieces():
            if self.classifier is None:
                yield (piece.x,)
                continue
            y = piece.rows * 0 + UNKNOWN if piece.y is None else piece.y
            known = self.classifier.has_class(y)
            self.count += len(piece)
            self.labelled += int(known.sum())
            yield piece.x, y.where(known, UNKNOWN)
