"""One page that lays the runs of a directory side by side. Nothing here imports torch."""

from contractive.report.writing import write_report

__all__ = ["write_report"]
