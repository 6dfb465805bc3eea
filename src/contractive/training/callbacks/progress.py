"""The progress bar."""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import RichProgressBarTheme


class Progress(RichProgressBar):
    """Rich's bar with loss, reconstruction and penalty, as they were last read off the device."""

    def __init__(self, refresh_rate: int = 2) -> None:
        super().__init__(refresh_rate=refresh_rate, theme=RichProgressBarTheme(metrics_format=".4g"))

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The averages of the last logged steps."""
        return dict(getattr(pl_module, "latest", {}))
