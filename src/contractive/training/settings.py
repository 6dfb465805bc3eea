"""The settings of a run, apart from its data: what is trained, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from contractive.data.subsets import BALANCED, DRAWS, FIRST
from contractive.nn.corruption import Corruption
from contractive.nn.settings import CODE, INPUTS, MOST_LAYERS, Network
from contractive.penalties.settings import Hessian, penalty_settings
from contractive.settings import Settings, check_choice, group, names, prefixed, setting

# Those of torch.optim that minimise from gradients alone, in one call a step.
OPTIMIZERS = ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")
# Those of torch.optim.lr_scheduler, but for the ones that take a function.
SCHEDULES = (
    *("LinearLR", "ConstantLR", "StepLR", "MultiStepLR", "ExponentialLR", "PolynomialLR"),
    *("CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR", "SequentialLR"),
    "ChainedScheduler",
)
PLATEAU = "ReduceLROnPlateau"  # the one that looks at a loss; torch combines it with no other
TERMS = ("loss", "reconstruction", "penalty")
STAGES = ("val", "test")
MONITORED = tuple(f"{stage}/{term}" for stage in STAGES for term in TERMS)
# What is measured when training is over, where there are labels.
PROBED = tuple(f"{stage}/{name}" for stage in STAGES for name in ("probe_error", "knn_error", "probe_r2"))
ERRORS = tuple(f"{stage}/error" for stage in STAGES)  # of a head, in per cent
CONTRACTIONS = ("none", "frobenius", "spectral")  # of a head's outputs
LOGITS, PROBABILITIES = "logits", "probabilities"
METRICS = (*MONITORED, *ERRORS, *PROBED)
# By which runs are compared, those that decide first.
DECIDING = (
    *("test/error", "test/probe_error", "test/probe_r2"),
    *("test/reconstruction", "test/penalty", "test/loss"),
)


@dataclass
class Model(Network):
    """The network and the objective that it is trained with."""

    lam: float = setting(0.1, "weight of the penalty", low=0)
    lam_warmup_epochs: int = setting(0, "epochs over which lam rises linearly from 0", low=0)
    lam_hessian: float = setting(0.0, "weight of the higher-order term; 0 leaves it out", low=0)
    hessian: dict[str, Any] = group(Hessian.of, "how the higher-order term is estimated")
    penalty: dict[str, Any] = group(lambda given: penalty_settings(**given), "the method and its options")
    corruption: dict[str, Any] = group(
        lambda given: given and Corruption.of(given), "what the encoder sees in training instead of x"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in vars(self).items():
            setattr(self, name, {} if value is None else plain(value))


@dataclass
class Optimizer(Settings):
    """A class of ``torch.optim`` by name; what else it takes is its own to decide."""

    open = True

    name: str = setting("Adam", "class of torch.optim", choices=OPTIMIZERS)
    lr: float = setting(1e-3, "learning rate", above=0)
    weight_decay: float = setting(0.0, "weight of the squared weights", low=0)


@dataclass
class Scheduler(Settings):
    """A class of ``torch.optim.lr_scheduler`` by name; what else it takes is its own to decide."""

    open = True

    name: str | None = setting(None, "class; null: a constant rate", choices=(*SCHEDULES, PLATEAU))
    interval: str = setting("epoch", "after what it takes a step", choices=("epoch", "step"))
    monitor: str = setting("val/loss", f"what {PLATEAU} looks at", choices=MONITORED)
    schedulers: list[Any] = setting([], "those that SequentialLR or ChainedScheduler combine")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """As for any group; arguments of a class need the class's name."""
        if given.get("name") is None and set(given) - set(names(cls)):
            check_choice("name", None, (*SCHEDULES, PLATEAU))
        return super().of(given)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name == PLATEAU:
            check_choice("interval", self.interval, ["epoch"])
        for number, each in enumerate(self.schedulers):
            with prefixed(f"schedulers[{number}]."):
                check_choice("name", Scheduler.of(each).name, SCHEDULES)


@dataclass
class Trainer(Settings):
    """Arguments of ``lightning.Trainer``; what else it takes is added with ``+trainer.NAME=VALUE``."""

    open = True

    max_epochs: int = setting(100, "epochs of training", low=1)
    accelerator: str = setting("auto", "auto, cpu, gpu, …")
    devices: Any = setting("auto", "how many, or which; auto: all there are")
    strategy: str = setting("auto", "auto, ddp, …")
    precision: Any = setting("32-true", "32-true, bf16-mixed, 16-mixed, 64-true, …")
    log_every_n_steps: int = setting(20, "steps between two looks at the terms of the loss", low=1)
    check_val_every_n_epoch: int = setting(1, "epochs between two validations", low=1)
    gradient_clip_val: float | None = setting(None, "largest norm of the gradient; null: any")
    deterministic: Any = setting("warn", "true, false, or warn where an operation is not")
    num_sanity_val_steps: int = setting(0, "validation steps before training", low=-1)
    enable_model_summary: bool = setting(False, "whether the layers are printed")
    # The loaders share the examples out themselves.
    use_distributed_sampler: bool = setting(False, "whether Lightning replaces the loader's sampler")
    limit_train_batches: Any = setting(None, "batches of an epoch, or their share; null: all")
    limit_val_batches: Any = setting(None, "the same of a validation")
    limit_test_batches: Any = setting(None, "the same of a test")


@dataclass
class Probe(Settings):
    """What the code is asked when training is over, where the data have labels."""

    enabled: bool = setting(True, "whether simple classifiers measure what the code is worth, at the end")
    noise: float = setting(
        0.3, "standard deviation of the noise on the inputs, as the encoder sees them", above=0
    )
    labels: list[int] = setting([1000, 100], "of how few labels it learns as well")
    draw: str = setting(
        BALANCED,
        f"{BALANCED}: as many of each class, averaged over {DRAWS} draws; {FIRST}: the first ones",
        choices=(BALANCED, FIRST),
    )
    neighbours: int = setting(5, "how many nearest neighbours have a vote", low=1)


@dataclass
class Head(Settings):
    """What stands on the code and tells classes, and how it is trained with the encoder below it."""

    enabled: bool = setting(False, "whether classes are learnt; head=default switches it on")
    on: str = setting(
        CODE,
        "what it stands on: the code, or the inputs themselves, without an encoder",
        choices=(CODE, INPUTS),
    )
    hidden: list[int] = setting(
        [], "sizes of layers of ReLU units between that and the classes", at_most=MOST_LAYERS
    )
    batch_norm: bool = setting(False, "whether these layers normalise what they get over the batch")
    frozen: bool = setting(False, "whether the encoder stays as it is")
    dropout_input: float = setting(0.0, "share of the inputs that is left out at a step", low=0, high=0.99)
    dropout: float = setting(0.0, "the same of the code and of the hidden units", low=0, high=0.99)
    contraction: str = setting(
        "none",
        "what of the derivative of the outputs is kept small: frobenius, all of it; spectral, its"
        " worst direction",
        choices=CONTRACTIONS,
    )
    lam: float = setting(0.0, "weight of that contraction, with labels and without", low=0)
    outputs: str = setting(LOGITS, "what is meant by outputs there", choices=(LOGITS, PROBABILITIES))
    radius: float = setting(
        0.0,
        "length of a step of the scaled inputs in the worst direction, after which the probabilities are"
        " compared; 0: the derivative alone",
        low=0,
    )
    tangents: int = setting(
        0, "along how many tangents, of the encoder as encoder= brought it, the logits are kept still", low=0
    )
    beta: float = setting(0.0, "weight of that, a sum over tangents and classes; small, as 1e-3", low=0)
    keep_tangents: bool = setting(
        True,
        "whether the tangents of data in memory are found once, and kept in half precision; false: anew for"
        " each batch",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lam > 0 and self.contraction == "none":
            others = " or ".join(CONTRACTIONS[1:])
            raise ValueError(f"lam={self.lam:g} has nothing to weigh while contraction=none: choose {others}")
        if self.radius > 0 and (self.contraction, self.outputs) != ("spectral", PROBABILITIES):
            raise ValueError(
                f"radius={self.radius:g} is of contraction=spectral with outputs={PROBABILITIES}: set these,"
                " or radius=0"
            )
        if self.beta > 0 and self.tangents == 0:
            raise ValueError(f"beta={self.beta:g} has nothing to weigh while tangents=0: say how many")
        given = [name for name in ("frozen", "tangents") if getattr(self, name)]
        if self.on == INPUTS and given:
            value = str(getattr(self, given[0])).lower()
            raise ValueError(f"{given[0]}={value} is of an encoder, and on={INPUTS} has none: leave it out")


@dataclass
class Sampling(Settings):
    """How samples are drawn; see :func:`contractive.diagnostics.sampling.samples`."""

    sigma: float = setting(0.3, "standard deviation of a step's noise, in units of the code", low=0)
    burn_in: int = setting(5, "steps of a walk up to its first sample", low=1)
    thinning: int = setting(5, "steps from one sample of a walk to its next", low=1)
    seed: int = setting(0, "what starts and steps depend on", low=0)


@dataclass
class TopLevel(Settings):
    """What stands beside the groups: what belongs to a run as a whole."""

    seed: int = setting(0, "what weights, splits, order and noise depend on", low=0, high=2**32 - 1)
    resume: str | None = setting(
        None,
        "a run to go on with, in its own directory and with its own settings but for those given beside it",
    )
    encoder: Any = setting(
        None, "a trained run whose encoder a head is put on, with its data; or a list, from the input upwards"
    )
    ckpt_path: str | None = setting(None, "a checkpoint to begin a new run from: RUN/checkpoints/last.ckpt")
    save_every_seconds: float = setting(
        30.0, "seconds of work after which checkpoints are saved at the latest; 0: at every step", low=0
    )
    optimized_metric: Any = setting(
        "val/loss",
        f"what train.py returns, for Hydra's optimising sweepers: {', '.join(METRICS)}; or a list of such",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.optimized:
            raise ValueError(f"optimized_metric must name at least one of {', '.join(METRICS)}")
        for name in self.optimized:
            check_choice("optimized_metric", name, METRICS)

    @property
    def optimized(self) -> list[Any]:
        """The metrics of ``optimized_metric``, of which there is mostly one."""
        named = self.optimized_metric
        return [named] if isinstance(named, str) or not isinstance(named, Sequence) else list(named)


def plain(value: Any) -> Any:
    """Settings with lists and dictionaries for whatever containers they came in."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value
