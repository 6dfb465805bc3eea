"""Lay the runs of a directory side by side: ``python report.py DIR`` writes ``DIR/report.html``."""

import argparse
import logging
import sys

from contractive.report import write_report


def main() -> None:
    """Write the report about the directory that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="a directory of runs, such as outputs")
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        path = write_report(parser.parse_args().directory)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"Written to {path} and {path.with_suffix('.csv')}")


if __name__ == "__main__":
    main()
