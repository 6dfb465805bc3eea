"""A head on an encoder, trained with it on labels."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contractive.data.labels import has_label
from contractive.data.loader import BatchLoader
from contractive.diagnostics.tangents import estimated_tangents
from contractive.jacobian.encoder import without_autocast
from contractive.nn import head as heads
from contractive.nn.autoencoder import Kind
from contractive.nn.kinds import in_kind
from contractive.nn.settings import INPUTS
from contractive.penalties import (
    adversarial_penalty,
    contraction_penalty,
    spectral_penalty,
    tangent_propagation_penalty,
)
from contractive.runs.checkpoints import HEAD, is_classifier
from contractive.settings import prefixed
from contractive.training.datamodule import DataModule
from contractive.training.memory import check_tangents
from contractive.training.module import Batch, ContractiveAutoencoder, inputs
from contractive.training.processes import summed
from contractive.training.settings import PROBABILITIES, Head, plain

log = logging.getLogger(__name__)
TERMS = ("loss", "cross_entropy", "error")
WEIGHTS = {"contraction": "lam", "tangents": "beta"}  # settings that weigh the further terms


class Classifier(ContractiveAutoencoder):
    """The encoder of an autoencoder with a head that tells classes.

    Minimises the cross-entropy, averaged over those examples of a batch that have a label; where some have
    none, further ones with a label join each batch, ``data.labelled``. ``error`` is the
    share of them, in per cent, whose most likely class is another; the best epoch has the lowest on
    validation, the first of several. The decoder stays as it is.

    With ``head.contraction`` the loss has ``head.lam`` times ``contraction`` as well, the average over all
    examples, with labels or without, of what the derivative of the outputs in the scaled inputs comes to:
    its squared Frobenius norm, exact, at a backward pass for each class; or its largest squared singular
    value, see :func:`contractive.spectral_penalty`; with ``head.radius`` as well what becomes of the
    probabilities so far away, see :func:`contractive.adversarial_penalty`. It is taken where nothing is left
    out, with what a batch is normalised by held still.

    With ``head.tangents`` the loss has ``head.beta`` times ``tangents``, likewise: how the logits move along
    the leading tangents of the encoder as it was before, see
    :func:`contractive.tangent_propagation_penalty`. A copy of that encoder, which a checkpoint keeps, tells
    them, see :func:`contractive.diagnostics.estimated_tangents`: once, before training, and they are kept in
    half precision beside the examples; or anew for each batch with ``head.keep_tangents=false``, of data that
    stay in their file, and wherever the examples come from another data module.

    With ``head.on=inputs`` the head stands on the scaled inputs themselves, and there is no encoder: what the
    model has of one stays untrained and is not used.

    Args:
        input_shape: shape of one example.
        classes: how many there are; labels are 0 up to it, and an example with a negative one has none.
        head: settings of :class:`contractive.training.settings.Head`.
        **settings: those of :class:`contractive.training.module.ContractiveAutoencoder`; what they say of
            the autoencoder's own objective is not used.

    Raises:
        ValueError: if a setting is not what it may be, or the encoder has not so many tangents.

    >>> import torch
    >>> model = Classifier((1, 8, 8), classes=10, head={"hidden": [5]}, hidden=[16])
    >>> model.logits(torch.rand(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    monitor = "val/error"
    learns_labels = True

    def __init__(
        self, input_shape: Sequence[int], classes: int, head: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        with prefixed("head."):
            self.chosen = Head.of(head or {})
        super().__init__(input_shape, **settings)
        self.objective.lam_warmup_epochs = 0  # it is of a weight that is not used
        self.on_inputs = self.chosen.on == INPUTS
        size = prod(self.input_shape) if self.on_inputs else self.code_size
        self.head = heads.Head(size, self.chosen.hidden, classes, batch_norm=self.chosen.batch_norm)
        self.decoder.requires_grad_(False)
        self.encoder.requires_grad_(not (self.chosen.frozen or self.on_inputs))
        most = min(self.code_size, prod(self.input_shape))
        if self.chosen.tangents > most:
            raise ValueError(
                f"head.tangents={self.chosen.tangents}: an encoder of {prod(self.input_shape)} inputs and a"
                f" code of {self.code_size} has {most} at most"
            )
        if self.chosen.tangents:
            self.pretrained = deepcopy(self.encoder).requires_grad_(False)
        self.hparams["classes"], self.hparams["head"] = classes, plain(vars(self.chosen))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms of the objective, the loss first."""
        return (*TERMS, *self._further)

    @property
    def _further(self) -> list[str]:
        """Those beside what the labels say, as far as they are asked for."""
        asked = {"contraction": self.chosen.contraction != "none", "tangents": self.chosen.tangents > 0}
        return [name for name in asked if asked[name]]

    @property
    def advice(self) -> str:
        """As that of an autoencoder, by the settings of the head."""
        weights = [f"head.{WEIGHTS[name]}" for name in self._further]
        return " or ".join(["lower optimizer.lr", *weights])

    def begin_with(self, encoder: ContractiveAutoencoder) -> None:
        """Take the weights of a trained autoencoder, and its scaling.

        Raises:
            ValueError: if it has another network, or scales its inputs where this one does not.
        """
        own = {name: value for name, value in self.state_dict().items() if not name.startswith(HEAD)}
        theirs = encoder.state_dict()
        if (encoder.scaler is None) != (self.scaler is None):
            raise ValueError(
                "encoder: it and these data differ in whether inputs are scaled: set data.scaling"
            )
        if own.keys() != theirs.keys() or any(own[n].shape != theirs[n].shape for n in own):
            raise ValueError(
                f"encoder: it takes examples of the shape {encoder.input_shape}, and those of the data are"
                f" {self.input_shape}, or its network is another"
            )
        self.load_state_dict(theirs, strict=False)
        if self.chosen.tangents:
            self.pretrained.load_state_dict(self.encoder.state_dict())
        self.scaling_is_own = True

    def on_fit_start(self) -> None:
        """Find the tangents of all examples that are trained on, and keep them, if they can be kept.

        Here, where a signal still ends the run at once, since nothing of it would be lost.

        Raises:
            ValueError: if they do not fit into memory.
        """
        super().on_fit_start()
        trainer, count = self.trainer, self.chosen.tangents
        if trainer.state.fn != "fit":  # before a test, which is called so too
            return
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, DataModule):
            data.forget_tangents()  # those of a training that failed
        if not (self.chosen.beta > 0 and self.chosen.keep_tangents):
            return
        if not isinstance(data, DataModule) or data.part("train").everything is None:
            why = "the data stay in their file, or are of another data module"
            log.info("head.tangents=%d: found anew for each batch, %s", count, why)
            return
        n = data.size("train") + data.size("val")
        check_tangents(count, n, self.input_shape, trainer.num_devices)
        log.info("Finds %d tangents of each of %s examples, once, before it trains", count, f"{n:,}")
        data.keep_tangents(lambda x: self._tangents(self.scale(x.to(self.device))).half().cpu())

    def on_fit_end(self) -> None:
        """What is computed afterwards is so from the examples alone."""
        if isinstance(data := getattr(self.trainer, "datamodule", None), DataModule):
            data.forget_tangents()

    def on_train_start(self) -> None:
        """Say which examples join the batches, or that none do, and what processes do not share."""
        super().on_train_start()
        loader = self.trainer.train_dataloader
        if not isinstance(loader, BatchLoader) or not self.trainer.is_global_zero:
            return
        if self.head.norms and self.trainer.world_size > 1:
            log.warning(
                "head.batch_norm: each of the %d processes normalises its own share of a batch, and together"
                " they do not come to what one would",
                self.trainer.world_size,
            )
        if loader.joining:
            log.info("Trains on %s", loader.layout)
        elif asked := self.trainer.datamodule.settings.labelled:  # type: ignore[attr-defined]
            log.warning("data.labelled=%d: all training examples have a label, and none join", asked)

    @property
    def class_names(self) -> list[str]:
        """What the classes are called, in the order of their numbers: as in the data, or just these."""
        return [str(name) for name in self.classes or range(self.hparams["classes"])]

    def has_class(self, y: Tensor) -> Tensor:
        """Of which labels there is a class; a negative one says that an example has none."""
        return has_label(y) & (y < self.hparams["classes"])

    def logits(self, x: Kind) -> Kind:
        """One for each class, ``(batch, classes)``, of inputs in the data's own units, in the kind of ``x``.

        Raises:
            ValueError: if the inputs have another shape than the model was built for, or are no real numbers.
        """
        result: Kind = in_kind(self.forward, self._known(x), x, self.class_names)
        return result

    def probabilities(self, x: Kind) -> Kind:
        """The softmax of :meth:`logits`."""
        result: Kind = in_kind(lambda x: self(x).softmax(1), self._known(x), x, self.class_names)
        return result

    def classify(self, x: Kind) -> Kind:
        """The number of the most likely class, ``(batch,)``; :attr:`class_names` tells their names."""
        result: Kind = in_kind(lambda x: self(x).argmax(1), self._known(x), x, ["class"])
        return result

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """The logits as a tensor."""
        result: Tensor = self.head(self._below(self.scale(x)))
        return result

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> Tensor:
        """The probabilities ``(batch, classes)`` of one batch."""
        return self.probabilities(inputs(batch))

    def encode(self, x: Kind) -> Kind:
        """As that of an autoencoder.

        Raises:
            ValueError: also if the head stands on the inputs.
        """
        if self.on_inputs:
            raise ValueError("a classifier on the inputs has no encoder and no codes")
        return super().encode(x)

    def _decode(self, code: Tensor) -> Tensor:
        raise ValueError("a classifier rebuilds nothing, its decoder was not trained: take an autoencoder")

    def _like(self, x: Tensor) -> Tensor:
        return self._decode(x)

    @staticmethod
    def _check_kind(checkpoint: Mapping[str, Any], path: str | Path) -> None:
        if not is_classifier(checkpoint):
            raise ValueError(
                f"{str(path)!r} is an autoencoder, without a head: contractive finetune trains one"
            )

    def _terms(
        self, batch: Batch, lam: float, step: int, unweighted: bool = True, **options: Any
    ) -> dict[str, Tensor]:
        """The objective of one batch, with the random numbers of a step."""
        if isinstance(batch, Tensor) or len(batch) < 2:
            raise ValueError("a head is trained and tested on examples with labels, and these have none")
        x, y = self.scale(inputs(batch)), batch[1]
        # Drawn for the step, so that a run that goes on draws them again.
        generator = self._seeded(step)
        drop = (self.chosen.dropout_input, self.chosen.dropout) if self.training else (0.0, 0.0)
        below = self._below(heads.dropped(x, drop[0], generator))
        logits = self.head(below, drop[1], generator, whole=self.on_inputs)
        known = has_label(y)
        count = known.sum().clamp_min(1)
        losses = F.cross_entropy(logits, y.where(known, -1), ignore_index=-1, reduction="sum")
        wrong = (logits.argmax(1) != y) & known
        terms = {"cross_entropy": losses / count, "error": 100 * wrong.sum() / count}
        # After what is drawn for dropout.
        measures = {
            "contraction": lambda: self._contraction(x, generator),
            "tangents": lambda: self._along_tangents(x, batch[2] if len(batch) > 2 else self._tangents(x)),
        }
        for name in self._further:
            weight = self._weight_of(name)
            if weight > 0 or unweighted:
                with torch.set_grad_enabled(weight > 0 and torch.is_grad_enabled()):
                    terms[name] = measures[name]().mean()
        return {"loss": self._loss(terms), **terms}

    def _rates(self, lam: float) -> dict[str, float]:
        return {WEIGHTS[name]: self._weight_of(name) for name in self._further}

    def _weight_of(self, name: str) -> float:
        weight: float = getattr(self.chosen, WEIGHTS[name])
        return weight

    def _loss(self, terms: Mapping[str, Any]) -> Any:
        """The weighted sum of the terms: of a batch or of an epoch, each is over examples of its own."""
        loss = terms["cross_entropy"]
        for name in self._further:
            if weight := self._weight_of(name):
                loss = loss + weight * terms[name]
        return loss

    def _sizes(self, batch: Batch, measured: Collection[str]) -> Tensor:
        """How many examples are behind each term, ``(terms,)``: behind those of the labels the ones with
        one."""
        sizes = super()._sizes(batch, measured).clone()
        sizes[: len(TERMS)] = has_label(batch[1]).sum()
        return sizes

    def _weights(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """By what to multiply the terms of this process's share of a batch, of those of the labels by how
        many of all labels it has: the loader does not know."""
        own = has_label(batch[1]).sum()
        labelled = own * self.trainer.world_size / summed(self.trainer, own).clamp_min(1)
        rest = super()._weights(batch, batch_idx).get("loss", 1.0)
        return {name: labelled if name in TERMS else rest for name in self.terms[1:]}

    def _outputs(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """The logits as a function of scaled inputs, one by one, that is differentiated at ``x``.

        What batches are normalised by is held still, so that an example's derivative is its own. In training
        it is that of this batch: weights that only shrink then do not lower the derivative. By what is known
        of earlier batches they would, without end.
        """
        known = self.head.statistics(self._below(x))
        return lambda x: self.head(self._below(x), known=known)

    def _below(self, x: Tensor) -> Tensor:
        """What the head stands on, of scaled inputs: their code, or themselves, ``(batch, size)``."""
        return x.flatten(1) if self.on_inputs else self.encoder(x)

    def _contraction(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What the derivative of the outputs comes to at each of the scaled inputs."""
        of_probabilities = self.chosen.outputs == PROBABILITIES
        logits = self._outputs(x)
        if self.chosen.radius:
            return adversarial_penalty(logits, x, self.chosen.radius, generator=generator)[1]
        if self.chosen.contraction == "spectral":
            return spectral_penalty(logits, x, of_probabilities=of_probabilities, generator=generator)[1]
        outputs = (lambda x: logits(x).softmax(1)) if of_probabilities else logits
        return contraction_penalty(outputs, x, "exact")[1]

    def _tangents(self, x: Tensor) -> Tensor:
        """Those of the pretrained encoder at each of the scaled inputs, ``(batch, count, *input_shape)``."""
        with without_autocast(x):  # no decomposition has half precision
            return estimated_tangents(self.pretrained, x, self.chosen.tangents)[1]

    def _along_tangents(self, x: Tensor, directions: Tensor) -> Tensor:
        """How the logits move along such directions, at each of the scaled inputs."""
        return tangent_propagation_penalty(self._outputs(x), x, directions)[1]


def classes_of(data: DataModule) -> int:
    """How many classes the labels of the data have.

    Raises:
        ValueError: if they have none, or are measurements.
    """
    largest = 0
    for split in ("train", "val", "test"):
        y = data.sample(split, data.size(split)).y
        if y is not None and y.is_floating_point():
            raise ValueError("head: the labels of these data are measurements, and a head tells classes")
        if y is None or not has_label(y).any():
            raise ValueError(f"head: the {split} split of data.source has no labels to learn: name others")
        if data.settings.labels is not None and not has_label(y).all():
            raise ValueError(
                f"data.labels={data.settings.labels}: some labels of the {split} split are negative, which"
                " are none to a head: leave it out, or number the classes from 0"
            )
        largest = max(largest, int(y.max()))
    if not 0 < largest < 100_000:
        raise ValueError(f"head: the largest label is {largest}: classes are numbered from 0, two at least")
    return largest + 1
