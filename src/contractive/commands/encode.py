"""Write the codes of examples, with ids, labels and what else stands beside them."""

from contractive.commands.opening import beside_of, beside_schema, open_data, open_run, tracked
from contractive.commands.options import Parser


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

    from contractive.runs.outputs import rows_file

    opened = open_run(arguments.run, arguments.device)
    rows = open_data(arguments.data, arguments.root, opened)
    columns = opened.model.code_names
    schema, count = beside_schema(rows), 0
    with torch.inference_mode(), rows_file(arguments.output, columns, schema, "codes") as add:
        for piece in tracked(rows, "Encoding"):
            add(opened.model.encode(piece.x).cpu().numpy(), beside_of(piece, schema))
            count += len(piece)
    beside = "" if arguments.output.suffix == ".npy" else f" beside {', '.join(schema.names)}"
    print(f"Written to {arguments.output}: {count} rows, codes of {len(columns)} numbers{beside}")
