"""The encoder of a trained run, or of several on each other, as what a head is put on."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from contractive.nn.settings import INPUTS
from contractive.runs.reading import is_used
from contractive.runs.trained import Trained, find_trained
from contractive.settings import default_of, prefixed
from contractive.training.recording import load_settings
from contractive.training.settings import TopLevel

if TYPE_CHECKING:
    from contractive.training.module import ContractiveAutoencoder

log = logging.getLogger(__name__)


def taken_over(settings: Mapping[str, Any], typed: Collection[str]) -> dict[str, Any]:
    """What a head takes over from the run of its encoder: ``model``, ``data``, and where the run lies.

    Nothing where there is no encoder, or a run goes on, which recorded all that.

    Args:
        settings: of the run that is to begin, in plain containers.
        typed: the names of those that were typed or given; those of the data stay, the others are the run's.

    Raises:
        ValueError: if there is no head to put on it, or a setting of the network was given as well; if either
            is given to a head on the inputs.
        FileNotFoundError: if there is no such run.
    """
    encoder, head = settings.get("encoder"), settings.get("head") or {}
    if head.get("enabled") and head.get("on") == INPUTS and settings.get("resume") is None:
        given = ["encoder"] if encoder is not None else [n for n in typed if n.partition(".")[0] == "model"]
        if given:
            raise ValueError(f"{given[0]}: a head with head.on={INPUTS} has no encoder: leave it out")
    if head.get("enabled") and not any(settings.get(name) is not None for name in ("resume", "ckpt_path")):
        unused = [n for n in typed if n == "lam" or not is_used(n, {"head.enabled": True})]
        if unused:
            raise ValueError(
                f"{unused[0]}: it is of an autoencoder's objective, and a head has its own: leave it out,"
                " or set head.lam"
            )
    if encoder is None or settings.get("resume") is not None:
        return {}
    if settings.get("ckpt_path") is not None:
        log.warning("encoder=%s is left out: the weights are those of ckpt_path", encoder)
        return {}
    if not head.get("enabled"):
        raise ValueError(
            f"encoder={encoder}: only a head takes one: use contractive finetune, or head=default"
        )
    if given := [name for name in typed if name.partition(".")[0] == "model"]:
        raise ValueError(f"{given[0]}: the network is that of encoder={encoder}: leave it out")
    runs = _runs(encoder)
    recorded = [_recorded(run) for run in runs]
    model = dict(recorded[0]["model"])
    model["hidden"] = [size for each in recorded for size in each["model"]["hidden"]]
    model["tied"] = all(each["model"]["tied"] for each in recorded)
    own, theirs = settings.get("data") or {}, recorded[0]["data"]
    if {"data", "data.source"} & set(typed):
        data = own
    else:
        named = [name.partition(".")[2] for name in typed if name.startswith("data.")]
        data = {**theirs, **{name: own[name] for name in named}}
        log.info("Data and network are those of %s", encoder)
    # Codes of a run are split as that run's data were, whatever the seed.
    cut = [each for each in recorded if each["data"].get("source") != "codes"]
    seeds = [each.get("seed", default_of(TopLevel, "seed")) for each in cut]
    own_seed = settings.get("seed", default_of(TopLevel, "seed"))
    if others := [seed for seed in seeds if seed != own_seed]:
        log.info("The splits may be others than those of the encoder, whose seed was %s", others[0])
    places = [str(run.checkpoint.absolute()) for run in runs]
    return {"model": model, "data": data, "encoder": places if len(places) > 1 else places[0]}


def trained_encoder(encoder: Any) -> "ContractiveAutoencoder":
    """The model of the run that ``encoder`` names; of several one deep model.

    Raises:
        ValueError, FileNotFoundError: if there is none, it cannot be read, or they do not fit on each other.
    """
    from contractive.training.module import ContractiveAutoencoder

    with prefixed("encoder: "):
        models = [ContractiveAutoencoder.load_from_checkpoint(run.checkpoint) for run in _runs(encoder)]
        return models[0] if len(models) == 1 else ContractiveAutoencoder.stack(models)


def _runs(encoder: Any) -> list[Trained]:
    named = [encoder] if isinstance(encoder, str | Path) else list(encoder)
    with prefixed("encoder: "):
        if not named:
            raise ValueError("it must name at least one run")
        return [find_trained(Path(str(run)).expanduser()) for run in named]


def _recorded(run: Trained) -> dict[str, Any]:
    if run.directory is None or not run.settings():
        raise ValueError(
            f"encoder: no .hydra/config.yaml beside {str(run.checkpoint)!r} says what its data were"
        )
    recorded: Any = OmegaConf.to_container(load_settings(run.directory))
    resolved = OmegaConf.create({name: recorded.get(name) for name in ("model", "data", "seed")})
    plain: Any = OmegaConf.to_container(resolved, resolve=True)
    return plain
