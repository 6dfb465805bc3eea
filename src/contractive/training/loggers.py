"""What TensorBoard gets of a run."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, without the curve ``epoch`` that Lightning adds to whatever is logged.

    It is a straight line, and as TensorBoard sorts by name it would come before the objective. For the same
    reason pictures are ``view/…`` and what they cost is ``wall/…``: both come after ``val/…``.
    """

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log everything else."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)
