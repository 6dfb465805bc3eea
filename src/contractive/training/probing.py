"""The probe of a trained model: what its code is good for, beside the inputs themselves."""

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from contractive.data.subsets import representative
from contractive.diagnostics import probe
from contractive.diagnostics.classifiers import standard_error
from contractive.nn.scaling import PIECE
from contractive.training.classifier import Classifier
from contractive.training.datamodule import DataModule
from contractive.training.module import ContractiveAutoencoder
from contractive.training.settings import PROBED, Probe

log = logging.getLogger(__name__)

MEASUREMENTS = 1  # as a number of classes: each example has one number
FEWEST = 5  # examples of a class on average: whole numbers of which there are fewer are no classes
Split = tuple[Tensor, np.ndarray]  # examples as they are stored, and their labels


def probe_figures(model: ContractiveAutoencoder, data: DataModule, settings: Probe) -> dict[str, float]:
    """How well simple classifiers tell the labels from the code and, ``…_raw``, from the inputs.

    Inputs are what the encoder sees, after any scaling of the data, and so is the noise on them. Large splits
    are cut short, see :meth:`contractive.data.parts.Part.sample`.

    Returns:
        The figures of :func:`contractive.diagnostics.probe.classification`, with their standard errors,
        ``…_se``, or of :func:`contractive.diagnostics.probe.regression`; and ``…_examples``, how many
        they were learnt from (under ``train/``) and measured on. Empty where there are no labels.
    """
    if settings.enabled and isinstance(model, Classifier) and model.on_inputs:
        log.info("No probe of the code: a head on the inputs has none")
        return {}
    splits = _labelled(data) if settings.enabled else {}
    classes = _classes(splits["train"][1], data.settings.labels is not None) if splits else None
    if classes is None:
        return {}
    width = max(math.prod(model.input_shape), model.code_size)
    counts = probe.linear_counts(width, classes)
    splits = {split: _cut(part, counts[split], data.seed) for split, part in splits.items()}
    figures: dict[str, float] = {f"{split}/probe_examples": len(y) for split, (_, y) in splits.items()}
    near = probe.near_counts(width)
    both = []
    for raw in (False, True):
        seen = {split: (_features(model, x, raw), y) for split, (x, y) in splits.items()}
        if not all(np.isfinite(features).all() for features, _ in seen.values()):
            log.warning("No probe of the code: there are codes that are not finite")
            return {}
        x, y = splits["test"]
        both.append(seen | {"noisy": (_features(model, x, raw, settings.noise, data.seed), y)})
    if classes == MEASUREMENTS:
        measure: Callable[[probe.Seen], dict[str, float]] = probe.regression
    else:
        options: Any = {"few": settings.labels, "draw": settings.draw, "seed": data.seed}
        options["neighbours"] = settings.neighbours
        measure = partial(probe.classification, near=near, **options)
    # Codes on one core and inputs on another: the many small products would wait for each other's threads.
    with threadpool_limits(1), warnings.catch_warnings(), ThreadPoolExecutor(len(both)) as pool:
        # Here too, since filters belong to all threads: one would take away what the other still needs.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for suffix, found in zip(("", "_raw"), pool.map(measure, both)):
            figures |= {name + suffix: value for name, value in found.items()}
    if "val/knn_error" in figures:
        figures |= {f"{split}/knn_examples": min(near[split], len(y)) for split, (_, y) in splits.items()}
    for name in ("val/probe_error", "test/probe_error", "val/knn_error", "test/knn_error"):
        if name in figures:
            figures[f"{name}_se"] = standard_error(figures[name], _examples(figures, name))
    _tell_what_was_cut(data, figures)
    _warn_of_harm(figures, None if isinstance(model, Classifier) else model.lam)
    return figures


def check_probed(wanted: Sequence[str], data: DataModule, settings: Mapping[str, Any]) -> None:
    """Check, before a run, that the probe will measure what the run is to be judged by.

    Raises:
        ValueError: if it will not.
    """
    for name in PROBED:
        if name not in wanted:
            continue
        if not Probe.of(settings).enabled:
            raise ValueError(
                f"optimized_metric={name} is measured by the probe, which probe=none switches off"
            )
        splits = _labelled(data)
        classes = _classes(splits["train"][1], data.settings.labels is not None) if splits else None
        if classes is None or (classes == MEASUREMENTS) != name.endswith("_r2"):
            needed = "continuous labels" if name.endswith("_r2") else "labels that are classes"
            raise ValueError(f"optimized_metric={name} needs {needed} in every split: name another metric")


def _classes(y: np.ndarray, sure: bool) -> int | None:
    """How many classes the labels of training are; :data:`MEASUREMENTS` where they are none, of which one may
    be ``sure``, and ``None`` where they are all alike."""
    different, n = len(np.unique(y)), len(y)
    if different < 2:
        log.info("No probe of the code: all training examples have the same label")
        return None
    if y.dtype.kind == "f":
        return MEASUREMENTS
    if different * FEWEST > n and not sure:
        log.info("The probe takes labels for measurements, not classes: %d of %d differ", different, n)
        return MEASUREMENTS
    return different


def _labelled(data: DataModule) -> dict[str, Split]:
    """Examples of each split with their labels; empty where a split has none."""
    splits: dict[str, Split] = {}
    for split, most in probe.LINEAR_MOST.items():
        examples = data.sample(split, most)  # type: ignore[arg-type]
        if examples.y is None:
            log.debug("No probe of the code: the examples of the split %s have no labels", split)
            return {}
        splits[split] = examples.x, examples.y.numpy()
    return splits


def _cut(split: Split, most: int, seed: int) -> Split:
    x, y = split
    chosen = representative(y, most, seed)
    return x[torch.from_numpy(chosen)], y[chosen]


def _features(
    model: ContractiveAutoencoder, x: Tensor, raw: bool, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Codes of examples, or the inputs themselves, ``(n, features)``."""
    generator, features = torch.Generator().manual_seed(seed), []
    with torch.no_grad():
        for piece in x.split(PIECE):
            inputs = model.scale(piece)
            if noise:
                inputs = inputs + noise * torch.randn(inputs.shape, generator=generator).to(inputs)
            seen = inputs if raw else model.encoder(inputs)
            features.append(seen.flatten(1).float().cpu())
    return torch.cat(features).numpy()


def _examples(figures: Mapping[str, float], name: str) -> int:
    """How many examples an error was measured on."""
    return int(figures[name.replace("_error", "_examples")])


def _tell_what_was_cut(data: DataModule, figures: Mapping[str, float]) -> None:
    """One line, where a probe did not see all examples."""
    parts = {"train": "learnt from", "val": "chosen on", "test": "tested on"}
    said = []
    for probed, kind in (("the linear probe", "probe"), ("nearest neighbours", "knn")):
        seen = {split: int(figures.get(f"{split}/{kind}_examples", 0)) for split in parts}
        sizes = {split: data.size(split) for split in parts}  # type: ignore[arg-type]
        sizes["train"] = data.settings.labels or sizes["train"]
        if any(0 < seen[split] < size for split, size in sizes.items()):
            shares = [f"{parts[split]} {seen[split]} of {size}" for split, size in sizes.items()]
            said.append(f"{probed} {', '.join(shares)}")
    if said:
        log.info("To bound its time the probe takes fewer examples: %s", "; ".join(said))


def _warn_of_harm(figures: Mapping[str, float], lam: float | None) -> None:
    """One line, where the inputs themselves are worth more than the code, by more than chance explains.

    ``lam`` is the one that the code was learnt with; ``None`` if it was by a head.
    """
    worse = []
    for probed, name in (("a linear probe", "val/probe_error"), ("nearest neighbours", "val/knn_error")):
        if name not in figures:
            continue
        code, raw = figures[name], figures[f"{name}_raw"]
        chance = math.hypot(*(standard_error(each, _examples(figures, name)) for each in (code, raw)))
        if code - raw > 2 * chance:
            worse.append(f"{probed} errs in {code:.3g} % of the codes and {raw:.3g} % of the inputs")
    if "val/probe_r2" in figures and (r2 := figures["val/probe_r2"]) < (raw := figures["val/probe_r2_raw"]):
        worse.append(f"a ridge regression explains {r2:.3g} of the labels' variance, of the inputs {raw:.3g}")
    if worse:
        remedy = "lower model.lam, or take a larger code" if lam else "take a larger code, or train longer"
        which = "The code" if lam is None else f"With model.lam={lam:g} the code"
        log.warning("%s is worth less than the inputs: %s: %s", which, "; ".join(worse), remedy)
