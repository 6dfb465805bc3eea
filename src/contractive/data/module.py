"""The LightningDataModule: a source, its splits, their loaders."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning import LightningDataModule
from torch import Tensor

from contractive.checks.data import check_data
from contractive.data.array import read_array
from contractive.data.digits import read_digits
from contractive.data.examples import Examples, to_float
from contractive.data.image_folder import read_image_folder
from contractive.data.loader import BatchLoader
from contractive.data.named import CLASSES, fetch, read_named
from contractive.data.splits import cut
from contractive.data.table import read_table
from contractive.scaling import Scaler

READERS: dict[str, Callable[..., dict[str, Examples]]] = {
    "digits": read_digits,
    "array": read_array,
    "table": read_table,
    "image_folder": read_image_folder,
}

Split = Literal["train", "val", "test"]


class DataModule(LightningDataModule):
    """Serves one source of data, in memory, in its splits.

    Splits that the source does not bring are cut from its training examples, seeded and stratified.

    Args:
        source: ``digits``, ``mnist``, ``fashion_mnist``, ``kmnist``, ``cifar10``, ``array``, ``table`` or
            ``image_folder``.
        batch_size: examples in a batch.
        seed: what splits and shuffling depend on.
        val_fraction, test_fraction: the shares to cut, of all training examples.
        scaling: ``none``, ``unit`` (to [0, 1]) or ``standard`` (mean 0, variance 1), fitted on the training
            split; ``auto`` is ``standard``, or ``none`` for bytes, which become [0, 1] anyway.
        drop_last: whether a last training batch that is smaller is left out.
        **options: what the source itself takes.

    Raises:
        ValueError: if a setting is not what it may be.

    >>> data = DataModule("digits", batch_size=64)
    >>> data.setup("fit")
    >>> data.input_shape, [len(data.split(name)) for name in ("train", "val", "test")]
    ((1, 8, 8), [1437, 180, 180])
    """

    def __init__(
        self,
        source: str = "digits",
        batch_size: int = 64,
        seed: int = 0,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        scaling: str = "none",
        drop_last: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        check_data(
            source=source,
            batch_size=batch_size,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            scaling=scaling,
            drop_last=drop_last,
            **options,
        )
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.fractions = {"val": val_fraction, "test": test_fraction}
        self.scaling = scaling
        self.drop_last = drop_last
        self.options = options
        self.scaler: Scaler | None = None
        self._examples: dict[str, Examples] = {}
        self._index: dict[str, Tensor] = {}

    def prepare_data(self) -> None:
        """Download what is missing; in one process only, where there are several."""
        if self.source in CLASSES:
            fetch(self.source, self.options["root"], self.options["download"])

    def setup(self, stage: str | None = None) -> None:
        """Read the source, cut its splits, and fit the scaling on the training split, once."""
        if self._examples:
            return
        examples = self._read()
        train = examples["train"]
        index = {name: torch.arange(len(part)) for name, part in examples.items()}
        for name, fraction in self.fractions.items():
            if name not in examples:
                # All shares are of what the source brought, so that they do not depend on their order.
                share = fraction * len(train) / len(index["train"])
                index["train"], index[name] = cut(index["train"], train.y, share, self.seed, name)
                examples[name] = train
        self._examples, self._index = examples, index
        kind = self.scaling
        if kind == "auto":
            kind = "none" if train.x.dtype == torch.uint8 else "standard"
        if kind != "none":
            self.scaler = Scaler(self.input_shape)
            self.scaler.fit(self.split("train").x, kind)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self._examples["train"].x.shape[1:])

    @property
    def is_image(self) -> bool:
        """Whether an example is a picture, ``(1 or 3, height, width)``."""
        return len(self.input_shape) == 3 and self.input_shape[0] in (1, 3)

    def split(self, name: Split) -> Examples:
        """All examples of a split, in the type in which they are stored."""
        return self._examples[name][self._index[name]]

    def examples(self, name: Split, n: int) -> tuple[Tensor, Tensor | None]:
        """The first ``n`` examples of a split as floats in the data's own units, and their labels."""
        part = self._examples[name][self._index[name][:n]]
        return to_float(part.x), part.y

    def check_unit_interval(self) -> None:
        """Check that what the model sees lies in [0, 1], as the cross-entropy needs.

        Raises:
            ValueError: naming the values that do not.
        """
        for name in ("train", "val", "test"):
            x = to_float(self.split(name).x)
            if self.scaler is not None:
                x = self.scaler(x)
            low, high = x.min().item(), x.max().item()
            if low < 0 or high > 1:
                raise ValueError(
                    "model.reconstruction=cross_entropy needs values in [0, 1]; the"
                    f" {name} split has {low:g} to {high:g}:"
                    " use data.scaling=unit or model.reconstruction=squared_error"
                )

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the training split."""
        return self._loader("train", shuffle=True, drop_last=self.drop_last)

    def val_dataloader(self) -> BatchLoader:
        """Batches of the validation split, in order."""
        return self._loader("val")

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split, in order."""
        return self._loader("test")

    def _read(self) -> dict[str, Examples]:
        if self.source in CLASSES:
            return read_named(self.source, **self.options)
        return READERS[self.source](**self.options)

    def _loader(self, name: str, shuffle: bool = False, drop_last: bool = False) -> BatchLoader:
        trainer = self.trainer
        return BatchLoader(
            self._examples[name],
            self._index[name],
            self.batch_size,
            shuffle=shuffle,
            seed=self.seed,
            drop_last=drop_last,
            rank=0 if trainer is None else trainer.global_rank,
            world_size=1 if trainer is None else trainer.world_size,
        )
