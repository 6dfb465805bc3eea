"""The LightningDataModule: a source, its splits, their loaders."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from lightning import LightningDataModule
from torch import Tensor

from contractive.data.description import Description
from contractive.data.examples import Examples
from contractive.data.in_memory import InMemory
from contractive.data.loader import BatchLoader
from contractive.data.magnitude import check_magnitude
from contractive.data.parts import Part
from contractive.nn.scaling import Scaler, to_float
from contractive.runs.codes import opened_source

Split = Literal["train", "val", "test"]
Array = np.ndarray | Tensor


class DataModule(LightningDataModule):
    """Serves one source of data in its splits; batches are in the type in which they are stored.

    Splits that the source does not bring are cut from its training examples, seeded and stratified.

    Args:
        source: the name of a module in ``contractive.data.sources``, such as ``digits``; or examples in
            memory: an array or a tensor ``x`` of ``(n, ...)``, or a pair ``(x, y)`` with labels ``(n,)``.
        seed: what splits and shuffling depend on.
        **options: ``batch_size``, ``drop_last``, ``val_fraction``, ``test_fraction`` and ``scaling``, see
            :class:`contractive.data.settings.Source`, and what the source itself takes.

    Raises:
        ValueError: if a setting is not what it may be.

    >>> data = DataModule("digits", batch_size=64)
    >>> data.setup("fit")
    >>> data.input_shape, [len(data.split(name)) for name in ("train", "val", "test")]
    ((1, 8, 8), [1437, 180, 180])

    >>> data = DataModule((np.eye(50), np.arange(50) % 2), scaling="unit")
    >>> data.setup("fit")
    >>> [tensor.shape for tensor in next(iter(data.train_dataloader()))]
    [torch.Size([40, 50]), torch.Size([40])]
    """

    def __init__(
        self, source: str | Array | tuple[Array, Array] = "digits", seed: int = 0, **options: Any
    ) -> None:
        super().__init__()
        if isinstance(source, str):
            self.settings = opened_source(source, **options)
        else:
            self.settings = InMemory.of({"data": source, **options})
        self.seed = seed
        self.scaler: Scaler | None = None
        self._parts: Mapping[str, Part] = {}
        self._with_tangents: Mapping[str, Part] = {}

    def prepare_data(self) -> None:
        """Download what is missing; in one process only, where there are several."""
        self.settings.fetch()

    def setup(self, stage: str | None = None) -> None:
        """Read the source, cut its splits, and fit the scaling on the training split, once."""
        if self._parts:
            return
        self._parts = self.settings.parts(self.seed)
        kind = self.settings.scaling
        if kind == "auto":
            kind = "none" if self._parts["train"].is_bytes else "standard"
        if kind != "none":
            self.scaler = Scaler(self.input_shape)
            self.scaler.fit(self._parts["train"].statistics, kind)
        check_magnitude(self._parts, self.scaler, kind, self.settings.found().get("columns"))

    def part(self, name: Split) -> Part:
        """A split, whether it is in memory or not."""
        return self._parts[name]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self._parts["train"].shape

    @property
    def is_image(self) -> bool:
        """Whether an example is a picture, ``(1 or 3, height, width)``."""
        return len(self.input_shape) == 3 and self.input_shape[0] in (1, 3)

    @property
    def description(self) -> Description:
        """What the data are, for those who bring others to the model that is trained on these."""
        train, source = self._parts["train"], type(self.settings).__module__.rpartition(".")[2]
        low, high = (0, 1) if train.is_bytes else (train.statistics.low.min(), train.statistics.high.max())
        shape = list(train.shape)
        return Description(source, shape, train.is_bytes, float(low), float(high), **self.settings.found())

    def split(self, name: Split) -> Examples:
        """All examples of a split in memory, in the type in which they are stored.

        Raises:
            ValueError: if the split stays in its file, because it is too large for memory.
        """
        everything = self._parts[name].everything
        if everything is None:
            raise ValueError(f"the {name} split stays in its file: use {name}_dataloader()")
        return everything()

    def examples(self, name: Split, n: int) -> tuple[Tensor, Tensor | None]:
        """The first ``n`` examples of a split as floats in the data's own units, and their labels."""
        first = self._parts[name].first(n)
        return to_float(first.x), first.y

    def size(self, name: Split) -> int:
        """How many examples a split has."""
        return len(self._parts[name])

    def sample(self, name: Split, n: int) -> Examples:
        """At most ``n`` examples that stand for all of a split, in the type in which they are stored."""
        return self._parts[name].sample(n, self.seed)

    def check_unit_interval(self) -> None:
        """Check that what the model sees lies in [0, 1], as the cross-entropy needs.

        With ``scaling=unit`` that is so by construction in the training split, and the other splits may
        reach a little beyond it.

        Raises:
            ValueError: naming the values that do not.
        """
        for name, part in self._parts.items():
            if self.scaler is None and part.is_bytes:
                continue
            low, high = part.statistics.low, part.statistics.high
            if self.scaler is not None:
                low, high = self.scaler(low[None]), self.scaler(high[None])
            fitted = self.settings.scaling == "unit" and name != "train"
            if not fitted and (low.min() < -1e-6 or high.max() > 1 + 1e-6):
                raise ValueError(
                    "model.reconstruction=cross_entropy needs values in [0, 1]; the"
                    f" {name} split has {low.min():g} to {high.max():g}:"
                    " use data.scaling=unit or model.reconstruction=squared_error"
                )

    def keep_tangents(self, find: Callable[[Tensor], Tensor]) -> None:
        """Have the batches of training and validation be ``(x, y, tangents)``, up to :meth:`forget_tangents`.

        Args:
            find: see :meth:`contractive.data.parts.Part.with_tangents`, which is asked at once.
        """
        self._with_tangents = {name: self._parts[name].with_tangents(find) for name in ("train", "val")}

    def forget_tangents(self) -> None:
        """Leave them out again."""
        self._with_tangents = {}

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the training split.

        What learns from labels gets further labelled examples with each, see :class:`BatchLoader`. An
        autoencoder would count these twice: its batches do not depend on labels.
        """
        learner = None if self.trainer is None else self.trainer.lightning_module
        joins = getattr(learner, "learns_labels", False)
        return self._loader(
            "train",
            shuffle=True,
            drop_last=self.settings.drop_last,
            labelled=self.settings.labelled if joins else 0,
        )

    def val_dataloader(self) -> BatchLoader:
        """Batches of the validation split, in order."""
        return self._loader("val")

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split, in order."""
        return self._loader("test")

    predict_dataloader = test_dataloader

    def _loader(self, name: str, shuffle: bool = False, **options: Any) -> BatchLoader:
        trainer = self.trainer
        return self._with_tangents.get(name, self._parts[name]).loader(
            self.settings.batch_size,
            shuffle=shuffle,
            seed=self.seed,
            rank=0 if trainer is None else trainer.global_rank,
            world_size=1 if trainer is None else trainer.world_size,
            **options,
        )
