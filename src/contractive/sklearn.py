"""The contractive autoencoder as a scikit-learn transformer, trained by a plain loop."""

import math
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor

from contractive.data.settings import Source
from contractive.data.sources.digits import HIGHEST
from contractive.nn.autoencoder import Autoencoder
from contractive.nn.losses import reconstruction_loss
from contractive.nn.scaling import PIECE
from contractive.nn.settings import Network
from contractive.runs.checkpoints import check_autoencoder, load_autoencoder, read_checkpoint
from contractive.runs.trained import find_trained
from contractive.settings import names
from contractive.training.loop import train_epoch
from contractive.training.optimizers import make_optimizer
from contractive.training.settings import Model, Optimizer, Trainer, plain

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn 1.5

    def validate_data(estimator: Any, X: Any, **options: Any) -> np.ndarray:
        """The same by the estimator's own method."""
        values: np.ndarray = estimator._validate_data(X, **options)
        return values


_MODEL, _OPTIMIZER, _SOURCE = Model(), Optimizer(), Source()
_FLOATS = (np.float64, np.float32)
# What is settled when fitting begins.
_SETTLED = (*names(Network), "input_shape", "scaling", "optimizer")


class ContractiveTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns a code of the rows of ``X`` that responds to the few directions along which they vary.

    The same model, objective, order of examples and random numbers as in a run of ``train.py`` over the same
    training examples, without validation: the model is that of the last epoch. It is trained in single
    precision; what is computed for rows of 64-bit floats is computed, and answered, in double precision.

    Args:
        hidden, channels, activation, tied, reconstruction: the network; see
            :class:`contractive.nn.settings.Network`.
        lam, lam_warmup_epochs, lam_hessian, hessian, penalty, corruption: the objective; see
            :class:`contractive.training.settings.Model`.
        input_shape: what a row is, such as ``(1, 8, 8)`` for pixels of a picture; None: ``(n_features,)``.
        scaling: ``none``, ``unit`` (to [0, 1]) or ``standard`` (mean 0, variance 1; ``auto`` is the same), of
            every feature, or of every channel of pictures, fitted to what is given first.
        optimizer, lr, weight_decay: a class of ``torch.optim`` by name, and its arguments.
        batch_size: rows in a step.
        max_epochs: passes over the rows in :meth:`fit`.
        random_state: what weights, order and noise depend on.
        verbose: whether a progress bar is shown.

    Attributes:
        model_: the :class:`contractive.Autoencoder`.
        n_iter_: passes over the rows so far.
        loss_curve_: the average loss of each.
        n_features_in_, feature_names_in_: as for any scikit-learn estimator.

    >>> from sklearn.datasets import load_digits
    >>> X, _ = load_digits(return_X_y=True)
    >>> transformer = ContractiveTransformer(hidden=(16,), lam=0.1, max_epochs=2, random_state=0)
    >>> codes = transformer.fit_transform(X)
    >>> codes.shape, transformer.inverse_transform(codes).shape
    ((1797, 16), (1797, 64))
    """

    def __init__(
        self,
        hidden: Iterable[int] = tuple(_MODEL.hidden),
        lam: float = _MODEL.lam,
        *,
        channels: Iterable[int] = tuple(_MODEL.channels),
        activation: str = _MODEL.activation,
        tied: bool = _MODEL.tied,
        reconstruction: str = _MODEL.reconstruction,
        lam_warmup_epochs: int = _MODEL.lam_warmup_epochs,
        lam_hessian: float = _MODEL.lam_hessian,
        hessian: dict[str, Any] | None = None,
        penalty: dict[str, Any] | None = None,
        corruption: dict[str, Any] | None = None,
        input_shape: Iterable[int] | None = None,
        scaling: str = _SOURCE.scaling,
        optimizer: str = _OPTIMIZER.name,
        lr: float = _OPTIMIZER.lr,
        weight_decay: float = _OPTIMIZER.weight_decay,
        batch_size: int = _SOURCE.batch_size,
        max_epochs: int = Trainer.max_epochs,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.lam = lam
        self.channels = channels
        self.activation = activation
        self.tied = tied
        self.reconstruction = reconstruction
        self.lam_warmup_epochs = lam_warmup_epochs
        self.lam_hessian = lam_hessian
        self.hessian = hessian
        self.penalty = penalty
        self.corruption = corruption
        self.input_shape = input_shape
        self.scaling = scaling
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def from_run(cls, run: str | Path) -> Self:
        """The transformer with the model, and so the codes, of a trained run.

        :meth:`partial_fit` goes on with the run's optimiser. A parameter that the run did not record has its
        default.

        Args:
            run: a run's directory, for its best epoch, or a checkpoint. Rows are flattened examples in the
                data's own units: bytes are numbers from 0 to 255, scikit-learn's digits from 0 to 16.

        Raises:
            FileNotFoundError, ValueError: if it is none.
        """
        found = find_trained(Path(run))
        checkpoint, settings = read_checkpoint(found.checkpoint), found.settings()
        check_autoencoder(checkpoint, run)
        saved, data = checkpoint["hyper_parameters"], checkpoint.get("data", {})
        parameters = {name: saved[name] for name in names(Model) if name in saved}
        rate, recorded = saved["optimizer"], settings.get("data", {})
        parameters |= {"optimizer": rate["name"], "lr": rate["lr"], "weight_decay": rate["weight_decay"]}
        parameters |= {name: recorded[name] for name in ("batch_size", "scaling") if name in recorded}
        if "seed" in settings:
            parameters["random_state"] = settings["seed"]
        transformer = cls(**parameters, input_shape=tuple(saved["input_shape"]))
        transformer._begin(load_autoencoder(found.checkpoint), rate, transformer._chosen_seed())
        for state in checkpoint.get("optimizer_states", []):
            transformer._optimizer.load_state_dict(state)
        transformer._unit = {"digits": float(HIGHEST)}.get(data.get("source"), 1.0)
        if data.get("is_bytes"):
            transformer._unit = 255.0
        transformer._step, transformer.n_iter_ = checkpoint["global_step"], checkpoint["epoch"] + 1
        transformer.n_features_in_ = math.prod(saved["input_shape"])
        if data.get("columns"):
            transformer.feature_names_in_ = np.array(data["columns"], dtype=object)
        return transformer

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the code of ``X``, ``(n_samples, n_features)``, from the start; ``y`` is ignored.

        Raises:
            ValueError: if a parameter or ``X`` is not what it may be.
            NonFiniteLossError: if the loss became NaN or infinite.
        """
        return self._fit(X, Trainer.of({"max_epochs": _plain(self.max_epochs)}).max_epochs, anew=True)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One more pass, over these rows; the optimiser goes on from where it was. ``y`` is ignored.

        Raises as :meth:`fit` does, and ``ValueError`` if a parameter of the network has changed since.
        """
        return self._fit(X, 1, anew=not hasattr(self, "model_"))

    def transform(self, X: Any) -> np.ndarray:
        """The codes ``(n_samples, code_size)`` of rows, in their type of float."""
        return self._compute(X, lambda model, x: model.encode(x))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The reconstructions ``(n_samples, n_features)`` of codes ``(n_samples, code_size)``."""
        check_is_fitted(self)
        codes = check_array(X, dtype=_FLOATS)
        model = self._model_for(codes)
        rows: np.ndarray = _by_pieces(model.decode, codes) * codes.dtype.type(self._unit)
        return rows

    def score_samples(self, X: Any) -> np.ndarray:
        """Minus the reconstruction error of each row, ``(n_samples,)``, as the objective has it."""

        def error(model: Autoencoder, x: Tensor) -> Tensor:
            x = model.scale(x)
            return -reconstruction_loss(model.decoder(model.encoder(x)), x, model.reconstruction)

        return self._compute(X, error)

    def score(self, X: Any, y: Any = None) -> float:
        """The average of :meth:`score_samples`: the higher, the better it reconstructs. ``y`` is ignored."""
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return self.model_.code_size

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [dtype.__name__ for dtype in _FLOATS]
        return tags

    def _more_tags(self) -> dict[str, Any]:  # scikit-learn 1.5
        return {"preserves_dtype": list(_FLOATS)}

    def _fit(self, X: Any, epochs: int, anew: bool) -> Self:
        objective = Model.of({name: _plain(getattr(self, name)) for name in names(Model)})
        source = Source.of({"batch_size": _plain(self.batch_size), "scaling": self.scaling})
        given = {name: _plain(getattr(self, name)) for name in ("lr", "weight_decay")}
        optimizer = vars(Optimizer.of({"name": self.optimizer, **given}))
        rows = validate_data(self, X, dtype=_FLOATS, reset=anew)
        with np.errstate(over="ignore"):
            single = rows.astype(np.float32)
        if not np.isfinite(single).all():
            raise ValueError("X holds values beyond 32-bit floats, in which it is trained: scale them down")
        shape = (rows.shape[1],) if self.input_shape is None else tuple(_plain(self.input_shape))
        if math.prod(shape) != rows.shape[1]:
            raise ValueError(
                f"input_shape={shape} has {math.prod(shape)} values; X has {rows.shape[1]} features"
            )
        if anew:
            seed = self._chosen_seed()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = {name: getattr(objective, name) for name in names(Network)}
                model = Autoencoder(shape, scaled=source.scaling != "none", **network)
            if hasattr(self, "feature_names_in_"):
                model.columns = self.feature_names_in_.tolist()
            self._begin(model, optimizer, seed)
        x = torch.from_numpy(single).div_(self._unit).view(-1, *shape)
        low, high = self.model_.trained_range or (math.inf, -math.inf)
        self.model_.trained_range = (min(low, float(x.min())), max(high, float(x.max())))
        if anew and self.model_.scaler is not None:
            self.model_.scaler.fit(x, "unit" if source.scaling == "unit" else "standard")
        if anew and objective.reconstruction == "cross_entropy":
            seen = self.model_.scale(x)
            if seen.min() < -1e-6 or seen.max() > 1 + 1e-6:
                raise ValueError(
                    f"reconstruction='cross_entropy' needs values in [0, 1], got {seen.min():g} to"
                    f" {seen.max():g}: use scaling='unit' or reconstruction='squared_error'"
                )
        if changed := [name for name in _SETTLED if _plain(getattr(self, name)) != self._settled[name]]:
            raise ValueError(f"{', '.join(changed)} changed since fitting began: call fit to begin anew")
        self._optimizer.param_groups[0].update(given)
        rounds: Iterable[int] = range(epochs)
        if self.verbose:
            from rich.progress import track

            rounds = track(rounds, type(self).__name__)
        self.model_.train()
        for _ in rounds:
            mean, steps = train_epoch(
                self.model_,
                self._optimizer,
                x,
                objective,
                batch_size=source.batch_size,
                epoch=self.n_iter_,
                first_step=self._step,
                seed=self._seed,
            )
            self.loss_curve_.append(mean)
            self.n_iter_ += 1
            self._step += steps
        self.model_.eval()
        return self

    def _chosen_seed(self) -> int:
        # An integer is the seed itself, as in a run.
        state = check_random_state(self.random_state)
        given = isinstance(self.random_state, int | np.integer)
        return int(self.random_state if given else state.randint(2**31 - 1))  # type: ignore[arg-type]

    def _begin(self, model: Autoencoder, optimizer: dict[str, Any], seed: int) -> None:
        self.model_, self._seed = model, seed
        self._optimizer = make_optimizer(model.parameters(), optimizer)
        self._settled = {name: _plain(getattr(self, name)) for name in _SETTLED}
        self._unit, self._step, self.n_iter_ = 1.0, 0, 0
        self.loss_curve_: list[float] = []

    def _compute(self, X: Any, what: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=_FLOATS, reset=False)
        model = self._model_for(rows)

        def compute(x: Tensor) -> Tensor:
            x = (x / self._unit).view(-1, *model.input_shape)
            model.check_units(x)
            result: Tensor = what(model, x)
            return result

        return _by_pieces(compute, rows)

    def _model_for(self, rows: np.ndarray) -> Autoencoder:
        return self.model_ if rows.dtype == np.float32 else deepcopy(self.model_).double()


def _by_pieces(compute: Any, rows: np.ndarray) -> np.ndarray:
    """``compute`` of some rows at a time, each result flattened to one row."""
    with torch.no_grad():
        pieces = [compute(piece) for piece in torch.from_numpy(rows.copy()).split(PIECE)]
    result = torch.cat(pieces)
    return (result.flatten(1) if result.ndim > 1 else result).numpy()


def _plain(value: Any) -> Any:
    """A parameter without numpy's own types, as a grid search hands them over."""
    return plain(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
