"""The codes of a trained run as a source of data, for the next layer of a stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from contractive.data.examples import Examples
from contractive.data.parts import Part, memory_parts
from contractive.data.settings import Source, as_path, source_settings
from contractive.data.sources.codes import Codes
from contractive.nn.autoencoder import Autoencoder
from contractive.nn.scaling import PIECE
from contractive.runs.checkpoints import load_autoencoder
from contractive.runs.trained import Trained, find_trained
from contractive.settings import prefixed


def opened_source(source: Any = None, **options: Any) -> Source:
    """The source of :func:`contractive.data.settings.source_settings`, of which ``parts`` can be asked also
    where its examples are codes.

    Raises:
        ValueError, FileNotFoundError: as there.
    """
    settings = source_settings(source, **options)
    return CodesOfRun(**vars(settings)) if isinstance(settings, Codes) else settings


@dataclass
class CodesOfRun(Codes):
    """Codes, and the run that gives them.

    Raises:
        ValueError, FileNotFoundError: if there is no such run, it does not say what its data were, they are
            not there any more, or the codes would take more memory than they may.
    """

    def fetch(self) -> None:
        """Download what the run's own data lack."""
        with prefixed("run: its data: "):
            self._below.fetch()

    def parts(self, seed: int) -> Mapping[str, Part]:
        """The codes of each split of the run; ``seed`` decides nothing, since the run has cut them."""
        with prefixed("run: its data: "):
            below = self._below.parts(self._recorded["seed"])
        with prefixed("run: "):
            model = load_autoencoder(self._trained.checkpoint)
        count = sum(map(len, below.values()))
        needed = 4 * count * model.code_size / 2**20
        if needed > self.in_memory_mib:
            raise ValueError(
                f"in_memory_mib={self.in_memory_mib:g}: {count} codes of {model.code_size} numbers take"
                f" {needed:.4g} MiB: raise it, or write them with contractive encode and use data=array"
            )
        return memory_parts({split: _encoded(model, part) for split, part in below.items()}, {}, seed)

    def found(self) -> dict[str, Any]:
        """The names of the classes, where labels are text."""
        return {"classes": self._below.found().get("classes")}

    @cached_property
    def _trained(self) -> Trained:
        with prefixed("run: "):
            return find_trained(as_path(str(self.run)))

    @cached_property
    def _recorded(self) -> dict[str, Any]:
        settings = self._trained.settings()
        if not {"data", "seed"} <= settings.keys():
            raise ValueError(
                f"run: no .hydra/config.yaml beside {str(self._trained.checkpoint)!r} says what its data were"
            )
        return settings

    @cached_property
    def _below(self) -> Source:
        """The run's own source; ``labels`` that are given here take the place of its own."""
        own = {} if self.labels is None else {"labels": self.labels}
        recorded = self._recorded["data"]
        with prefixed("run: its data."):
            return opened_source(**{**recorded, **own})


def _encoded(model: Autoencoder, part: Part) -> Examples:
    codes, labels = [], []
    with torch.no_grad():
        for x, *y in part.loader(PIECE, shuffle=False):
            codes.append(model.encode(x).float())
            labels += y
    return Examples(torch.cat(codes), torch.cat(labels) if labels else None)
