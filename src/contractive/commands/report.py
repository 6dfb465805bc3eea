"""Lay the runs of a directory side by side, in DIR/report.html."""

import logging

from contractive.commands.options import Parser


def main() -> None:
    """Write the report about the directory that the command line names."""
    parser = Parser("report", __doc__)
    parser.add_argument("directory", metavar="DIR", help="a directory of runs, such as outputs")
    directory = parser.parse().directory
    logging.basicConfig(format="%(levelname)s: %(message)s")
    # Here, not above: --help does not wait for the plots.
    from contractive.report import write_report

    path = write_report(directory)
    print(f"Written to {path} and {path.with_suffix('.csv')}")
