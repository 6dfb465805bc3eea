"""Write the most likely class of examples and the probabilities of all, with what else stands beside them."""

from typing import TYPE_CHECKING

from contractive.commands.opening import open_classifier, open_data
from contractive.commands.options import Parser
from contractive.commands.writing import write_rows

if TYPE_CHECKING:
    import numpy as np

    from contractive.data.rows import Piece


def main() -> None:
    """Classify the examples that the command line names."""
    parser = Parser("classify", __doc__)
    parser.takes_run()
    parser.takes_data()
    parser.takes_output(
        (".parquet", ".csv", ".npy", ".npz"),
        "a table .parquet or .csv, or arrays .npz: ids, labels and other columns beside the class, its"
        " probability and those of all classes; or the probabilities alone, .npy",
    )
    arguments = parser.parse()
    # Here, not above: --help does not wait for torch.
    import pyarrow as pa
    import torch

    opened, model = open_classifier(arguments.run, arguments.device)
    rows = open_data(arguments.data, arguments.root, opened)
    names, labelled, wrong = pa.array(model.class_names), 0, 0
    if opened.description.classes is None:
        names = names.cast(pa.int64())

    def probabilities(piece: "Piece") -> "np.ndarray":
        nonlocal labelled, wrong
        found = model.probabilities(piece.x).cpu()
        if piece.y is not None:
            known = model.has_class(piece.y)
            labelled += int(known.sum())
            wrong += int((found.argmax(1) != piece.y)[known].sum())
        return found.numpy()

    derived = {
        "predicted": (names.type, lambda values: names.take(pa.array(values.argmax(1)))),
        "probability": (pa.float32(), lambda values: pa.array(values.max(1))),
    }
    columns = [f"p_{name}" for name in model.class_names]
    kinds = {"doing": "Classifying", "archived": "probabilities"}
    with torch.inference_mode():
        count, beside = write_rows(arguments.output, rows, columns, probabilities, derived=derived, **kinds)
    said = f" beside {', '.join(beside)}" if beside else ""
    print(f"Written to {arguments.output}: {count} rows, probabilities of {len(columns)} classes{said}")
    if labelled:
        print(
            f"Of {labelled} with a label {wrong} are taken for another class ({100 * wrong / labelled:.3g} %)"
        )
