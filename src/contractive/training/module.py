"""The contractive autoencoder as a LightningModule."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from contractive.data.loader import BatchLoader
from contractive.nn.settings import Network
from contractive.nn.stacking import copy_layers, stacked_settings
from contractive.objective import loss, seed_step, warmed_up
from contractive.runs.checkpoints import (
    FORMAT,
    NO_MODEL,
    check_autoencoder,
    check_shapes,
    read_checkpoint,
    rebuilt,
    refusing,
)
from contractive.settings import names, prefixed
from contractive.training.datamodule import DataModule
from contractive.training.history import NonFiniteLossError, StepHistory
from contractive.training.optimizers import make_optimizer, make_scheduler, replay
from contractive.training.processes import summed
from contractive.training.restoring import DAMAGED, check_progress, check_state
from contractive.training.scaling import ScaledByData
from contractive.training.settings import PLATEAU, TERMS, Model, Optimizer, Scheduler, plain

Batch = Tensor | Sequence[Tensor]  # x, or (x,), or (x, labels)


class ContractiveAutoencoder(ScaledByData):
    """An autoencoder whose code is kept insensitive to its input.

    Minimises the average over examples of ``L(x, g(f(x))) + lam · ‖J_f(x)‖²_F`` (Rifai et al., ICML 2011,
    eq. 4), all terms summed inside an example. One class expresses the family: ``lam=0`` is the plain
    autoencoder, weight decay is the optimiser's.

    Args:
        input_shape: shape of one example, such as ``(1, 28, 28)``.
        scaled: whether inputs are scaled first; see :class:`contractive.training.scaling.ScaledByData`.
        optimizer: ``name``, a class of ``torch.optim``, and its arguments.
        scheduler: ``name``, a class of ``torch.optim.lr_scheduler``, its arguments, and ``interval`` and
            ``monitor``; empty for a constant rate.
        **settings: those of :class:`contractive.training.settings.Model`.

    Raises:
        ValueError: if there is no such setting, or its value is not what it may be.

    >>> model = ContractiveAutoencoder(input_shape=(1, 8, 8), hidden=[16], lam=0.1)
    >>> x = torch.rand(5, 1, 8, 8)
    >>> model.encode(x).shape, model(x).shape
    (torch.Size([5, 16]), torch.Size([5, 1, 8, 8]))
    """

    #: What the best epoch has the lowest value of.
    monitor = "val/loss"
    #: Whether it learns from labels: then examples that have one join each batch where others have none.
    learns_labels = False

    def __init__(
        self,
        input_shape: Sequence[int],
        scaled: bool = False,
        optimizer: Mapping[str, Any] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        objective = Model.of(settings)
        super().__init__(input_shape, scaled, **{name: getattr(objective, name) for name in names(Network)})
        self.objective = objective
        with prefixed("optimizer."):
            optimizer = {**vars(Optimizer.of(optimizer or {})), **(optimizer or {})}
        with prefixed("scheduler."):
            Scheduler.of(scheduler or {})
        hparams = {"optimizer": optimizer, "scheduler": scheduler or {}, **vars(objective)}
        # Plain containers only: a checkpoint is read back with weights_only=True.
        hparams = plain(hparams | {"input_shape": input_shape, "scaled": scaled})
        self.save_hyperparameters(hparams, logger=False)
        self.latest: dict[str, float] = {}
        self.rates: dict[str, float] = {}  # weights and lr of the last step
        self._other_rates = False  # whether the run that is resumed was asked for others
        # Until all that it holds has been checked.
        self._restored: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._generator: torch.Generator | None = None
        self._history = StepHistory(self.terms, 1, self.advice)
        self._earlier: dict[str, Any] | None = None  # the history of the run that is resumed
        self._known_sizes: dict[tuple[int, ...], Tensor] = {}

    @property
    def lam(self) -> float:
        """Weight of the penalty, after a warm-up."""
        return self.objective.lam

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms of the objective, the loss first."""
        return (*TERMS, "hessian") if self.objective.lam_hessian > 0 else TERMS

    @property
    def advice(self) -> str:
        """What to do where a term is not finite."""
        return "lower optimizer.lr or model.lam"

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, map_location: Any = "cpu", **settings: Any
    ) -> Self:
        """The model that a run saved, with its weights, in evaluation mode; runs no code from the file.

        Args:
            checkpoint_path: a run's ``checkpoints/best.ckpt`` or ``last.ckpt``.
            map_location: the device to load to.
            **settings: constructor arguments that replace the saved ones.

        Raises:
            FileNotFoundError, ValueError: if there is no such file, or it is not a checkpoint of this model.
        """
        checkpoint = read_checkpoint(checkpoint_path)
        cls._check_kind(checkpoint, checkpoint_path)
        arguments = {**checkpoint["hyper_parameters"], **settings}
        model = rebuilt(cls, arguments, checkpoint, checkpoint_path)
        model.scaling_is_own = True
        return model.to(map_location, next(model.parameters()).dtype)

    @staticmethod
    def _check_kind(checkpoint: Mapping[str, Any], path: str | Path) -> None:
        check_autoencoder(checkpoint, path)

    @classmethod
    def stack(cls, models: "Sequence[ContractiveAutoencoder]", **settings: Any) -> Self:
        """One deep model with the layers of all, each of which was trained on the codes of the one before.

        Its code is that of the last model, and the penalty takes the stack as a whole. Its decoder is put
        together of theirs and has an activation wherever two of them meet; an upper model that was trained
        with the squared error had none there, so that the reconstruction begins to be right with training.

        Args:
            models: from the input upwards; they share one activation, and only the first may scale its input.
            **settings: constructor arguments that replace those of the first.

        Raises:
            ValueError: if the models do not fit on each other.

        >>> lower = ContractiveAutoencoder((6,), hidden=[5, 4])
        >>> upper = ContractiveAutoencoder((4,), hidden=[3])
        >>> deep, x = ContractiveAutoencoder.stack([lower, upper], lam=1.0), torch.rand(2, 6)
        >>> torch.equal(deep.encode(x), upper.encode(lower.encode(x))), deep.hparams["hidden"], deep.lam
        (True, [5, 4, 3], 1.0)
        """
        network = stacked_settings(models)
        model = cls(**{**models[0].hparams, **network, **settings})
        copy_layers(models, model)
        model.scaling_is_own = models[0].scaling_is_own
        model.columns, model.trained_range = models[0].columns, models[0].trained_range
        return model

    def configure_optimizers(self) -> Any:
        """The optimiser of ``torch.optim`` that the settings name, and its schedule if they name one."""
        optimizer = make_optimizer(self.parameters(), self.hparams["optimizer"])
        settings = self.hparams["scheduler"]
        schedule: dict[str, Any] = {}
        if settings.get("name"):
            known = Scheduler.of(settings)
            schedule = {"interval": known.interval, "monitor": known.monitor}
            schedule["scheduler"] = make_scheduler(optimizer, settings)
            if known.name == PLATEAU:
                schedule["frequency"] = self.trainer.check_val_every_n_epoch or 1
        self._at_start = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
        return {"optimizer": optimizer, "lr_scheduler": schedule} if schedule else optimizer

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Take a step of the schedule, unless it waits for a loss: :meth:`on_train_epoch_end` takes that."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the number of the format, what is known of the epoch so far, and what the data are, if a data
        module tells."""
        checkpoint["format"] = FORMAT
        checkpoint["history"] = self._history.state_dict()
        if self.trainer.world_size > 1:
            told: list[Any] = [None] * self.trainer.world_size
            dist.all_gather_object(told, checkpoint["history"])
            checkpoint["histories"] = told
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, DataModule):
            checkpoint["data"] = data.description.plain()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check what is loaded; go on in the epoch; see whether other rates are asked for than those saved.

        Raises:
            ValueError: naming the file and what of it does not fit.
        """
        path = str(self.trainer.ckpt_path)
        saved = settings_of(checkpoint, path, type(self))
        check_shapes(self, checkpoint["state_dict"], path)
        check_progress(checkpoint, self.trainer)
        if "history" in checkpoint:
            known = checkpoint.get("histories", [checkpoint["history"]])
            with refusing(path, DAMAGED):
                self._earlier = StepHistory.share(known, self.global_rank, self.trainer.world_size)
        self._other_rates = any(saved[name] != self.hparams[name] for name in ("optimizer", "scheduler"))
        if self._other_rates:
            checkpoint["lr_schedulers"] = []
        self._restored = (checkpoint, saved["optimizer"])

    def on_fit_start(self) -> None:
        """Check what a checkpoint holds for the optimiser and its schedule, now that they are there."""
        super().on_fit_start()
        if self._restored is not None and self.trainer.state.fn == "fit":
            check_state(*self._restored, self, self._other_rates)
        self._restored = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; its terms go to the history, which is read every so many steps."""
        x, lam = inputs(batch), self._lam_now(batch_idx)
        self.rates = self._rates(lam) | {"lr": self.trainer.optimizers[0].param_groups[0]["lr"]}
        weights = self._weights(batch, batch_idx) if self.trainer.world_size > 1 else {}
        if not len(x):
            nothing = torch.zeros(len(self.terms), device=self.device)
            self._history.add(nothing, nothing.long(), step=self.global_step)
            # The other processes wait for gradients of all weights.
            trained = [weight for weight in self.parameters() if weight.requires_grad]
            return torch.stack([weight.sum() for weight in trained]).sum() * 0
        # Without a weight the penalty is only looked at, at the last step before anybody sees it; of an epoch
        # whose length its loader does not know, at the first.
        last = self.trainer.num_training_batches - 1
        looked_at = self._history.due or batch_idx == (last if math.isfinite(last) else 0)
        terms = self._terms(
            batch, lam, self.global_step, corruption=self.objective.corruption, unweighted=looked_at
        )
        row = torch.stack([terms.get(name, terms["loss"]).detach() for name in self.terms])
        self._history.add(row, self._sizes(batch, terms), step=self.global_step)
        return self._loss(terms | {name: weights[name] * terms[name] for name in weights if name in terms})

    def on_validation_epoch_start(self) -> None:
        """Begin new sums."""
        self._sums, self._behind = torch.zeros(2, len(self.terms), device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add up the terms of the objective at the full ``lam``, so that epochs of a warm-up compare."""
        if not len(inputs(batch)):
            return
        # The same draws in every epoch, so that epochs compare.
        terms = self._terms(batch, self.lam, batch_idx)
        sizes = self._sizes(batch, terms)
        self._sums = self._sums + torch.stack([terms[name] for name in self.terms]) * sizes
        self._behind = self._behind + sizes

    def on_validation_epoch_end(self) -> None:
        """Log the averages over the examples: to log each batch would cost more than to compute it."""
        stage = "test" if self.trainer.testing else "val"
        known = zip(self.terms, *summed(self.trainer, torch.stack([self._sums, self._behind])))
        means = self._with_loss({name: total / behind for name, total, behind in known if behind})
        # In all processes they are the same already; Lightning asks for it.
        values = {f"{stage}/{name}": mean for name, mean in means.items()}
        self.log_dict(values, batch_size=1, sync_dist=True)

    on_test_epoch_start, test_step = on_validation_epoch_start, validation_step
    on_test_epoch_end = on_validation_epoch_end

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> Tensor:
        """The code ``(batch, code_size)`` of one batch."""
        return self.encode(inputs(batch))

    def on_train_start(self) -> None:
        """Make room for the steps between two looks at them; learn at the rates that were asked for."""
        self._history = StepHistory(
            self.terms,
            self.trainer.log_every_n_steps,  # type: ignore[attr-defined]
            self.advice,
        )
        if self._earlier is not None:
            self._history.load_state_dict(self._earlier, self.device)
            self._earlier = None
            # The last step before the run stopped may have been the one after which they are read.
            self.on_train_batch_end()
        if self._other_rates:
            # A checkpoint brings back its own; what this run was asked for has the last word.
            self.trainer.optimizers[0].param_groups[0].update(self._at_start)
            by_step = self.hparams["scheduler"].get("interval") == "step"
            for config in self.trainer.lr_scheduler_configs:
                replay(config.scheduler, self.global_step if by_step else self.current_epoch)
        self._other_rates = False

    def on_train_batch_end(self, *args: Any) -> None:
        """Log the averages of the last steps once there are enough of them."""
        if self._history.full:
            self._log_steps(self._with_loss(self._history.drain(self._total)))

    def on_train_epoch_end(self) -> None:
        """Log the averages of the epoch; stop, before anything is saved, if a term is not finite."""
        rest, means = (
            self._with_loss(average(self._total))
            for average in (self._history.drain, self._history.end_epoch)
        )
        # The few steps after the last full window would only make the curve zigzag.
        if rest == means:
            self._log_steps(rest)
        # To whoever asks the trainer; the loggers have the same curves in finer steps.
        self.log_dict({f"train/{term}": mean for term, mean in means.items()}, sync_dist=True, logger=False)
        known = self.trainer.callback_metrics
        for term in reversed(self.terms):
            value = known.get(f"val/{term}")
            if value is not None and not torch.isfinite(value):
                raise NonFiniteLossError(
                    f"val/{term} became {value.item()} after step {self.global_step}: {self.advice}"
                )
        for config in self.trainer.lr_scheduler_configs:
            # Lightning would only do so after the checkpoints of the epoch are written.
            metric = known.get(str(config.monitor))
            due = config.reduce_on_plateau and (self.current_epoch + 1) % config.frequency == 0
            if due and metric is not None:
                config.scheduler.step(metric.item())  # type: ignore[arg-type]

    def check_steps(self) -> None:
        """Raise ``NonFiniteLossError`` if a term of the steps since the last look was not finite."""
        self._history.check()

    def _total(self, sums: Tensor) -> Tensor:
        return summed(self.trainer, sums)

    def _loss(self, terms: Mapping[str, Any]) -> Any:
        """What is minimised, of the terms of the objective or of averages of them."""
        return terms["loss"]

    def _with_loss(self, means: dict[str, float]) -> dict[str, float]:
        """Averages over different examples, and what is minimised of them."""
        return means | {"loss": self._loss(means)} if "loss" in means else means

    def _sizes(self, batch: Batch, measured: Collection[str]) -> Tensor:
        """How many examples of a batch are behind each term, ``(terms,)``; none behind an unmeasured one."""
        sizes = tuple(len(inputs(batch)) if term in measured else 0 for term in self.terms)
        # There are few different ones, and a tensor for each step would cost more than all else here.
        if sizes not in self._known_sizes or self._known_sizes[sizes].device != self.device:
            self._known_sizes[sizes] = torch.tensor(sizes, device=self.device)
        return self._known_sizes[sizes]

    def _weights(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """By what to multiply the terms of this process's share of a batch: the mean over all processes is
        then that over all examples behind it."""
        loader = self.trainer.train_dataloader
        return {"loss": loader.weight(batch_idx)} if isinstance(loader, BatchLoader) else {}

    def _terms(self, batch: Batch, lam: float, step: int, **options: Any) -> dict[str, Tensor]:
        """The objective of one batch, with the random numbers of a step."""
        x, generator, o = inputs(batch), self._seeded(step), self.objective
        weights = {"lam_hessian": o.lam_hessian, "penalty": o.penalty, "hessian": o.hessian}
        return loss(self, x, lam, **weights, **options, generator=generator)  # type: ignore[arg-type]

    def _seeded(self, step: int) -> torch.Generator:
        if self._generator is None or self._generator.device != self.device:
            self._generator = torch.Generator(self.device)
        return seed_step(self._generator, torch.initial_seed(), step, self.global_rank)

    def _rates(self, lam: float) -> dict[str, float]:
        """The weights of a step, by their names in the curves."""
        return {"lam": lam}

    def _lam_now(self, batch_idx: int) -> float:
        # Where the loader does not know how many batches there are, it rises from epoch to epoch.
        epoch = self.current_epoch + batch_idx / self.trainer.num_training_batches
        return warmed_up(self.lam, epoch, self.objective.lam_warmup_epochs)

    def _log_steps(self, means: dict[str, float]) -> None:
        self.latest = means
        moving = {
            "lam": self.objective.lam_warmup_epochs > 0,
            "lr": bool(self.hparams["scheduler"].get("name")),
        }
        rates = {name: rate for name, rate in self.rates.items() if moving.get(name)}
        values = {f"train/{name}": value for name, value in (means | rates).items()}
        # Straight to the loggers: LightningModule.log would cost as much as a small training step.
        for logger in self.loggers:
            logger.log_metrics(values | {"epoch": self.current_epoch}, step=self.global_step)


def settings_of(
    checkpoint: Mapping[str, Any], path: str | Path, cls: type[ContractiveAutoencoder]
) -> dict[str, Any]:
    """The settings of the model that a checkpoint holds, checked, with defaults for those that it lacks.

    Raises:
        ValueError: naming the file, if they are no model's.
    """
    with refusing(path, NO_MODEL), torch.device("meta"):
        return dict(cls(**checkpoint["hyper_parameters"]).hparams)


def inputs(batch: Batch) -> Tensor:
    """The examples of a batch, without labels."""
    return batch if isinstance(batch, Tensor) else batch[0]
