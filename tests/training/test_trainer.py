"""Lightning's trainer as a run takes it."""

from pathlib import Path
from typing import Any

from lightning import Callback

from contractive.training import fit

SETTINGS = {
    "model": {"hidden": [4]},
    "data": {"source": "digits", "batch_size": 500},
    "trainer": {"max_epochs": 1},
    "probe": {"enabled": False},
}


class Counting(Callback):
    """Has three hooks of a batch, one of them in a class above it and one of its own making."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.on_after_backward = lambda *args: self.seen.append("after_backward")  # type: ignore[method-assign]

    def on_train_batch_end(self, *args: Any) -> None:
        self.seen.append("train_batch_end")


class Heir(Counting):
    def on_validation_batch_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append("validation_batch_start")


def test_hooks_that_a_callback_has_are_called_and_empty_ones_are_not(tmp_path: Path) -> None:
    counting = Heir()
    fit(SETTINGS, directory=tmp_path, callbacks=[counting])
    for hook, times in {"train_batch_end": 3, "after_backward": 3, "validation_batch_start": 1}.items():
        assert counting.seen.count(hook) >= times, hook
    assert counting.seen.count("train_batch_end") == counting.seen.count("after_backward") == 3
    assert counting.on_before_zero_grad is None and counting.on_train_batch_start is None
