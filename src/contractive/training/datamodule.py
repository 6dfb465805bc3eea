"""The LightningDataModule: a source, its splits, their loaders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningDataModule
from torch import Tensor

from contractive.data.examples import Examples
from contractive.data.loader import BatchLoader
from contractive.data.parts import MemoryPart, Part, file_parts
from contractive.data.settings import source_settings
from contractive.data.sources.array import Array
from contractive.data.splits import cut
from contractive.data.streaming import BlockLoader
from contractive.nn.scaling import Scaler, to_float

Split = Literal["train", "val", "test"]


class DataModule(LightningDataModule):
    """Serves one source of data in its splits, from memory, or a ``.npy`` file too large for it from disk.

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
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.settings = source_settings(source, **options)
        self.source = source
        self.seed = seed
        self.fractions = {"val": self.settings.val_fraction, "test": self.settings.test_fraction}
        self.scaler: Scaler | None = None
        self._parts: Mapping[str, Part] = {}

    def prepare_data(self) -> None:
        """Download what is missing; in one process only, where there are several."""
        self.settings.fetch()

    def setup(self, stage: str | None = None) -> None:
        """Read the source, cut its splits, and fit the scaling on the training split, once."""
        if self._parts:
            return
        self._parts = self._file_parts() if self._is_large() else self._memory_parts()
        kind = self.settings.scaling
        if kind == "auto":
            kind = "none" if self._parts["train"].dtype == torch.uint8 else "standard"
        if kind != "none":
            self.scaler = Scaler(self.input_shape)
            self._parts["train"].fit(self.scaler, kind)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self._parts["train"].shape

    @property
    def is_image(self) -> bool:
        """Whether an example is a picture, ``(1 or 3, height, width)``."""
        return len(self.input_shape) == 3 and self.input_shape[0] in (1, 3)

    def split(self, name: Split) -> Examples:
        """All examples of a split in memory, in the type in which they are stored.

        Raises:
            ValueError: if the split stays in its file, because it is too large for memory.
        """
        part = self._parts[name]
        if not isinstance(part, MemoryPart):
            raise ValueError(f"the {name} split stays in its file: use {name}_dataloader()")
        return part.examples[part.index]

    def examples(self, name: Split, n: int) -> tuple[Tensor, Tensor | None]:
        """The first ``n`` examples of a split as floats in the data's own units, and their labels."""
        first = self._parts[name].first(n)
        return to_float(first.x), first.y

    def check_unit_interval(self) -> None:
        """Check that what the model sees lies in [0, 1], as the cross-entropy needs.

        With ``scaling=unit`` that is so by construction in the training split, and the other splits may
        reach a little beyond it.

        Raises:
            ValueError: naming the values that do not.
        """
        for name, part in self._parts.items():
            low, high = part.extremes()
            if self.scaler is not None:
                low, high = self.scaler(low[None]), self.scaler(high[None])
            fitted = self.settings.scaling == "unit" and name != "train"
            slack = 1e-6
            if not fitted and (low.min() < -slack or high.max() > 1 + slack):
                raise ValueError(
                    "model.reconstruction=cross_entropy needs values in [0, 1]; the"
                    f" {name} split has {low.min():g} to {high.max():g}:"
                    " use data.scaling=unit or model.reconstruction=squared_error"
                )

    def train_dataloader(self) -> BatchLoader | BlockLoader:
        """Shuffled batches of the training split."""
        return self._loader("train", shuffle=True, drop_last=self.settings.drop_last)

    def val_dataloader(self) -> BatchLoader | BlockLoader:
        """Batches of the validation split, in order."""
        return self._loader("val")

    def test_dataloader(self) -> BatchLoader | BlockLoader:
        """Batches of the test split, in order."""
        return self._loader("test")

    def _is_large(self) -> bool:
        """Whether the data are to stay in their file."""
        if not isinstance(self.settings, Array) or not str(self.settings.path).endswith(".npy"):
            return False
        return Path(str(self.settings.path)).stat().st_size > self.settings.in_memory_mib * 2**20

    def _file_parts(self) -> Mapping[str, Part]:
        s = self.settings
        assert isinstance(s, Array)
        assert s.path is not None
        return file_parts(
            s.path, s.val_path, s.test_path, s.labels, s.y_key, fractions=self.fractions, seed=self.seed
        )

    def _memory_parts(self) -> Mapping[str, Part]:
        examples = self.settings.read()
        train = examples["train"]
        left = torch.arange(len(train))
        parts = {name: MemoryPart(part, torch.arange(len(part))) for name, part in examples.items()}
        for name, fraction in self.fractions.items():
            if name not in examples:
                # All shares are of what the source brought, so that they do not depend on their order.
                left, taken = cut(left, train.y, fraction * len(train) / len(left), self.seed, name)
                parts[name] = MemoryPart(train, taken)
        return {**parts, "train": MemoryPart(train, left)}

    def _loader(self, name: str, shuffle: bool = False, drop_last: bool = False) -> BatchLoader | BlockLoader:
        trainer = self.trainer
        return self._parts[name].loader(
            self.settings.batch_size,
            shuffle=shuffle,
            seed=self.seed,
            drop_last=drop_last,
            rank=0 if trainer is None else trainer.global_rank,
            world_size=1 if trainer is None else trainer.world_size,
        )
