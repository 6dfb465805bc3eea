"""Lay the runs of a directory side by side: ``python report.py DIR`` writes ``DIR/report.html``."""

from contractive.commands.program import main

if __name__ == "__main__":
    main("report")
