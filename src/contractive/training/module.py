"""The contractive autoencoder as a LightningModule."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from lightning import LightningModule
from torch import Tensor

from contractive.nn.corruption import corrupt
from contractive.nn.layers import Decoder, make_encoder
from contractive.nn.losses import reconstruction_loss
from contractive.nn.scaling import Scaler, to_float
from contractive.penalties import contraction_penalty, hessian_penalty
from contractive.runs.checkpoints import read_checkpoint
from contractive.training.history import NonFiniteLossError, StepHistory
from contractive.training.settings import Model, Optimizer

Batch = Tensor | Sequence[Tensor]  # x, or (x,), or (x, labels)


class ContractiveAutoencoder(LightningModule):
    """An autoencoder whose code is kept insensitive to its input.

    Minimises the average over examples of ``L(x, g(f(x))) + lam · ‖J_f(x)‖²_F`` (Rifai et al., ICML 2011,
    eq. 4), all terms terms summed inside an example. One class expresses the family: ``lam=0`` is the plain
    autoencoder, weight decay is the optimiser's.

    Args:
        input_shape: shape of one example, such as ``(1, 28, 28)``.
        hidden: sizes of the encoder's fully connected layers; the last one is the code size.
        channels: channels of convolutions in front of them, each halving the image.
        activation: name of the pointwise activation after every encoder layer.
        tied: whether the decoder's weights are the transpose of the encoder's.
        reconstruction: ``"squared_error"``, or ``"cross_entropy"`` for data in [0, 1].
        lam: weight of the penalty, at least 0.
        lam_warmup_epochs: ``lam`` rises linearly from 0 over so many epochs of training.
        lam_hessian: weight of the higher-order term (Rifai et al., ECML 2011), at least 0; 0 leaves it out.
        hessian: settings of :func:`contractive.hessian_penalty`.
        corruption: ``kind`` and ``amount`` of ``contractive.nn.corruption.corrupt``: in training the code is
            that of a corrupted input, and still has to reconstruct the clean one.
        scaled: whether inputs are scaled first; the data module fits ``scaler``.
        penalty: settings of :func:`contractive.contraction_penalty`: ``method`` and its options.
        optimizer: ``name``, a class of ``torch.optim``, and its arguments.

    Raises:
        ValueError: if a setting is not what it may be.

    >>> model = ContractiveAutoencoder(input_shape=(1, 8, 8), hidden=[16])
    >>> x = torch.rand(5, 1, 8, 8)
    >>> model.encode(x).shape, model(x).shape
    (torch.Size([5, 16]), torch.Size([5, 1, 8, 8]))
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        hidden: Sequence[int] = (1000,),
        channels: Sequence[int] = (),
        activation: str = "sigmoid",
        tied: bool = True,
        reconstruction: str = "squared_error",
        lam: float = 0.1,
        lam_warmup_epochs: int = 0,
        lam_hessian: float = 0.0,
        hessian: Mapping[str, Any] | None = None,
        corruption: Mapping[str, Any] | None = None,
        scaled: bool = False,
        penalty: Mapping[str, Any] | None = None,
        optimizer: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        Model(
            hidden=list(hidden),
            channels=list(channels),
            activation=activation,
            tied=tied,
            reconstruction=reconstruction,
            lam=lam,
            lam_warmup_epochs=lam_warmup_epochs,
            lam_hessian=lam_hessian,
            hessian=dict(hessian or {}),
            corruption=dict(corruption or {}),
            penalty=dict(penalty or {}),
        )
        # Plain containers only: a checkpoint is read back with weights_only=True.
        input_shape, hidden, channels = list(input_shape), list(hidden), list(channels)
        penalty = dict(penalty or {})
        optimizer = dict(optimizer or {"name": "Adam", "lr": 1e-3})
        Optimizer.of(optimizer)
        hessian = dict(hessian or {})
        corruption = dict(corruption or {})
        self.save_hyperparameters(logger=False)

        self.encoder = make_encoder(input_shape, hidden, activation, channels)
        self.decoder = Decoder(self.encoder, input_shape, activation, tied=tied)
        self.scaler = Scaler(input_shape) if scaled else None
        self.input_shape = tuple(input_shape)
        self.reconstruction = reconstruction
        self.lam = float(lam)
        self.penalty = penalty
        self.lam_hessian = float(lam_hessian)
        self.hessian = hessian
        self.corruption = corruption
        self.latest: dict[str, float] = {}
        self._history: StepHistory | None = None
        self._last_penalty: Tensor | None = None
        self._generator: torch.Generator | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms of the objective, the loss first."""
        return ("loss", "reconstruction", "penalty", *(("hessian",) if self.lam_hessian > 0 else ()))

    def encode(self, x: Tensor) -> Tensor:
        """The code ``(batch, code_size)`` of inputs ``(batch, *input_shape)`` in the data's own units."""
        code: Tensor = self.encoder(self.scale(x))
        return code

    def scale(self, x: Tensor) -> Tensor:
        """What the encoder sees of inputs ``(batch, *input_shape)`` in the data's own units.

        Bytes are taken from 0…255 to [0, 1]; the scaling that was fitted to the training data comes after.

        Raises:
            ValueError: if the inputs have another shape than the model was built for.
        """
        if tuple(x.shape[1:]) != self.input_shape:
            wanted = ", ".join(map(str, self.input_shape))
            raise ValueError(f"x has the shape {tuple(x.shape)}; this model was built for (batch, {wanted})")
        if x.dtype == torch.uint8:
            x = to_float(x)
        return x if self.scaler is None else self.scaler(x)

    def decode(self, code: Tensor) -> Tensor:
        """The reconstruction ``(batch, *input_shape)``, in the data's own units, of codes."""
        output: Tensor = self.decoder(code)
        if self.reconstruction == "cross_entropy":
            output = output.sigmoid()
        return output if self.scaler is None else self.scaler.inverse(output)

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction of inputs ``(batch, *input_shape)``."""
        return self.decode(self.encode(x))

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, map_location: Any = "cpu", **settings: Any
    ) -> Self:
        """The model that a run saved, with its weights; no further arguments are needed.

        Never runs code from the file.

        Args:
            checkpoint_path: a run's ``checkpoints/best.ckpt`` or ``last.ckpt``.
            map_location: the device to load to.
            **settings: constructor arguments that replace the saved ones.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a checkpoint of this model.
        """
        checkpoint = read_checkpoint(checkpoint_path, map_location)
        model = cls(**{**checkpoint["hyper_parameters"], **settings})
        model.load_state_dict(checkpoint["state_dict"])
        return model.to(map_location)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser of ``torch.optim`` that the settings name."""
        settings = dict(self.hparams["optimizer"])
        optimizer: type[torch.optim.Optimizer] = getattr(torch.optim, settings.pop("name"))
        return optimizer(self.parameters(), **settings)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; its terms go to the history, which is read every so many steps."""
        assert self._history is not None
        x = self._inputs(batch)
        generator = self._seeded(x.device, self.global_step)
        seen = corrupt(x, **self.corruption, generator=generator) if self.corruption else x
        lam = self.lam_now(batch_idx)
        if lam > 0:
            code, penalty = self._penalty(seen, generator)
        else:
            # Without a weight the penalty is only looked at, and only as often as anybody can see it.
            if self._last_penalty is None or self._history.due:
                with torch.no_grad():
                    self._last_penalty = self._penalty(seen, generator)[1]
            code, penalty = self.encoder(seen), self._last_penalty
        terms = self._objective(x, seen, code, penalty, lam, generator)
        row = torch.stack([term.detach() for term in terms.values()])
        self._history.add(row, batch_size=len(x), step=self.global_step)
        return terms["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the terms of the objective at the full ``lam``, so that epochs of a warm-up compare."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the terms of the objective."""
        self._evaluate("test", batch, batch_idx)

    def on_train_start(self) -> None:
        """Make room for the steps between two looks at them, and set the optimiser as configured."""
        self._history = StepHistory(self.terms, capacity=self.trainer.log_every_n_steps)  # type: ignore[attr-defined]
        self._last_penalty = None
        # A checkpoint brings back its own learning rate; what this run was asked for has the last word.
        settings = {k: v for k, v in self.hparams["optimizer"].items() if k != "name"}
        for group in self.trainer.optimizers[0].param_groups:
            group.update(settings)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Log the averages of the last steps once there are enough of them."""
        assert self._history is not None
        if self._history.full:
            self._log_steps(batch_idx)

    def on_train_epoch_end(self) -> None:
        """Log the averages of the epoch; stop, before anything is saved, if a term is not finite."""
        assert self._history is not None
        self._log_steps(int(self.trainer.num_training_batches) - 1)
        means = {f"train/{term}_epoch": value for term, value in self._history.end_epoch().items()}
        self.log_dict(means, sync_dist=True)
        for term in reversed(self.terms):
            value = self.trainer.callback_metrics.get(f"val/{term}")
            if value is not None and not torch.isfinite(value):
                raise NonFiniteLossError(
                    f"val/{term} became {value.item()} after step {self.global_step}:"
                    " lower optimizer.lr or model.lam"
                )

    def check_steps(self) -> None:
        """Raise ``NonFiniteLossError`` if a term of the steps since the last look was not finite."""
        assert self._history is not None
        self._history.check()

    def _inputs(self, batch: Batch) -> Tensor:
        return self.scale(batch if isinstance(batch, Tensor) else batch[0])

    def _seeded(self, device: torch.device, step: int) -> torch.Generator:
        """Random numbers that depend on the run's seed, the step and the process alone, so that a resumed run
        draws what an uninterrupted one would have drawn."""
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device)
        seed = torch.initial_seed() + 1_000_003 * (step + 1) + 1_000_000_007 * self.global_rank
        return self._generator.manual_seed(seed % 2**63)

    def _penalty(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The code and the penalty averaged over the batch."""
        code, penalties = contraction_penalty(self.encoder, x, generator=generator, **self.penalty)
        return code, penalties.mean()

    def _objective(
        self, x: Tensor, seen: Tensor, code: Tensor, penalty: Tensor, lam: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The terms of the objective averaged over the batch, the loss first.

        ``seen`` is what the encoder made the code of: ``x``, or a corrupted copy.
        """
        reconstruction = reconstruction_loss(self.decoder(code), x, self.reconstruction).mean()
        terms = {"loss": reconstruction, "reconstruction": reconstruction, "penalty": penalty}
        if lam > 0:
            terms["loss"] = terms["loss"] + lam * penalty
        if self.lam_hessian > 0:
            terms["hessian"] = hessian_penalty(self.encoder, seen, generator=generator, **self.hessian).mean()
            terms["loss"] = terms["loss"] + self.lam_hessian * terms["hessian"]
        return terms

    def _evaluate(self, stage: str, batch: Batch, batch_idx: int) -> None:
        x = self._inputs(batch)
        # The same draws in every epoch, so that epochs compare.
        generator = self._seeded(x.device, batch_idx)
        terms = self._objective(x, x, *self._penalty(x, generator), self.lam, generator)
        self.log_dict(
            {f"{stage}/{name}": term for name, term in terms.items()}, batch_size=len(x), sync_dist=True
        )

    def lam_now(self, batch_idx: int) -> float:
        """The weight of the penalty at a batch of the current epoch, which a warm-up may still be raising."""
        warmup: int = self.hparams["lam_warmup_epochs"]
        epoch = self.current_epoch + batch_idx / self.trainer.num_training_batches
        return self.lam if epoch >= warmup else self.lam * epoch / warmup

    def _log_steps(self, batch_idx: int) -> None:
        assert self._history is not None
        means = self._history.drain()
        if not means:
            return
        self.latest = means
        optimizer = self.trainer.optimizers[0]
        values = {f"train/{term}": value for term, value in means.items()}
        values |= {
            "lam": self.lam_now(batch_idx),
            "lr": optimizer.param_groups[0]["lr"],
            "epoch": self.current_epoch,
        }
        # Straight to the loggers: LightningModule.log would cost as much as a small training step.
        for logger in self.loggers:
            logger.log_metrics(values, step=self.global_step)
