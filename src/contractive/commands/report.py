"""Lay the runs of a directory side by side: ``python report.py DIR`` writes ``DIR/report.html``."""

import argparse
import logging
import sys


def main() -> None:
    """Write the report about the directory that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="a directory of runs, such as outputs")
    directory = parser.parse_args().directory
    logging.basicConfig(format="%(levelname)s: %(message)s")
    # Here, not above: --help does not wait for the plots.
    from contractive.report import write_report

    try:
        path = write_report(directory)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"Written to {path} and {path.with_suffix('.csv')}")
