"""Write the codes of examples, with ids, labels and what else stands beside them."""

from contractive.commands.opening import open_data, open_run
from contractive.commands.options import Parser
from contractive.commands.writing import write_rows


def main() -> None:
    """Encode the examples that the command line names."""
    parser = Parser("encode", __doc__)
    parser.takes_run()
    parser.takes_data()
    parser.takes_output(
        (".parquet", ".csv", ".npy", ".npz"),
        "a table .parquet or .csv, or arrays .npz: ids, labels and other columns beside the codes; or the"
        " codes alone, .npy",
    )
    arguments = parser.parse()
    # Here, not above: --help does not wait for torch.
    import torch

    opened = open_run(arguments.run, arguments.device)
    rows = open_data(arguments.data, arguments.root, opened)
    columns, path = opened.model.code_names, arguments.output
    with torch.inference_mode():
        count, beside = write_rows(
            path,
            rows,
            columns,
            lambda piece: opened.model.encode(piece.x).cpu().numpy(),
            doing="Encoding",
            archived="codes",
        )
    said = f" beside {', '.join(beside)}" if beside else ""
    print(f"Written to {path}: {count} rows, codes of {len(columns)} numbers{said}")
