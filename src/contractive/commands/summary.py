"""What a run says at its end: its figures, what is to be thought of them, and what to type next."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from contractive.commands.probed import is_probed, probe_table
from contractive.runs.directory import command_to_resume
from contractive.training.settings import Model, Optimizer

if TYPE_CHECKING:
    from contractive.training.fitting import Run

LOOKED_AT = 1000  # examples of the validation split


def print_summary(run: "Run") -> None:
    """Print the figures, where the run was written, and what to type next."""
    metrics, epochs, where = run.metrics, run.epochs, run.directory
    title = f"Best of {epochs} epochs: {metrics['best_epoch']}"
    table = Table("", "validation", "test", title=title, title_justify="left")
    terms = (key for key in metrics if key.startswith("test/") and not is_probed(key))
    for term in (key.removeprefix("test/") for key in terms):
        table.add_row(term, *(_figure(metrics.get(f"{stage}/{term}")) for stage in ("val", "test")))
    Console().print(table)
    if (probed := probe_table(metrics)) is not None:
        Console().print(probed)
    if advice := advice_on(run):
        print(advice)
    where = where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where
    print(f"Written to {where} in {metrics['seconds']:.0f} s")
    if any(run.directory.glob("events.out.tfevents.*")):
        print(f"Look at it:  {shlex.join(['tensorboard', '--logdir', str(where)])}")
    if run.last.is_file():
        print(f"Resume it:   {command_to_resume(run.directory, f'trainer.max_epochs={2 * epochs}')}")


def advice_on(run: "Run") -> str:
    """What the figures say of the settings, in one line; nothing where they say nothing."""
    if "val/error" in run.metrics:
        more = f"The best epoch is the last: ask for more than trainer.max_epochs={run.epochs}"
        return more if run.best_epoch == run.epochs else ""
    given = {"optimizer.lr": run.model.hparams["optimizer"]["lr"], "model.lam": run.model.lam}
    usual = {"optimizer.lr": Optimizer.lr, "model.lam": Model.lam}
    raised = [name for name in given if given[name] > usual[name]] or given
    lower = "lower " + " or ".join(f"{name}={given[name]:g}" for name in raised)
    mean, reached = error_of_the_mean(run), run.metrics["val/reconstruction"]
    useless = (
        f"no better than the mean of the data ({reached:.3g}, the mean {mean:.3g})" if reached >= mean else ""
    )
    if run.best_epoch == run.epochs:
        more = f"ask for more than trainer.max_epochs={run.epochs}"
        still = f", its reconstruction still {useless}" if useless else ""
        return f"The best epoch is the last{still}: {more}{f', or {lower}' if useless else ''}"
    if run.best_epoch == 1:
        return f"Validation never improved after the first epoch: {lower}"
    return f"The reconstruction is {useless}: {lower}" if useless else ""


def error_of_the_mean(run: "Run") -> float:
    """The reconstruction loss on the validation split of an autoencoder that always answers with its mean.

    Of the first 1000 examples, as the run's own ``val/reconstruction`` is measured.
    """
    import torch

    from contractive.nn.losses import reconstruction_loss

    with torch.no_grad():
        x = run.model.scale(run.data.examples("val", LOOKED_AT)[0].to(run.model.device))
        mean = x.mean(0, keepdim=True)
        kind = run.model.reconstruction
        answer = mean if kind == "squared_error" else torch.logit(mean, eps=1e-6)
        return reconstruction_loss(answer.expand_as(x), x, kind).mean().item()


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
