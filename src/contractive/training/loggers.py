"""What TensorBoard gets of a run."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, but for two things that it writes.

    The curve ``epoch`` that Lightning adds to whatever is logged is a straight line, and as TensorBoard sorts
    by name it would come before the objective. For the same reason pictures are ``view/…`` and what they cost
    is ``wall/…``: both come after ``val/…``.

    The names of a run's settings and figures, written as those of an experiment, TensorBoard would take for
    the ones of all runs that it shows, of whichever run it finds first. Without them it puts together what
    the runs have, and what differs comes first.
    """

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log everything else."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    @rank_zero_only  # as Lightning's: the others have nothing to write with
    def log_hyperparams(
        self, params: Any, metrics: dict[str, Any] | None = None, step: int | None = None
    ) -> None:
        """Log settings and, where there are any, the figures that they came to."""
        from torch.utils.tensorboard.summary import hparams

        super().log_hyperparams(params, {})
        if metrics:
            self.log_metrics(metrics, step)
            plain = {k: v if type(v) in (int, float, str) else str(v) for k, v in params.items()}
            for summary in hparams(plain, metrics)[1:]:
                self.experiment.file_writer.add_summary(summary, step)
