"""Finding what training left: a run's checkpoint, and the settings it was made with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contractive.runs.directory import FOLDER, LAST, find_runs

SCORES = "scores.json"  # what reconstruction error and penalty are on training data
# What is meant where a directory is named: the first that is there, for use, or to go on from.
FOR_USE = ("best.ckpt", "last.ckpt")
TO_GO_ON = (Path(LAST).name,)


@dataclass(frozen=True)
class Trained:
    """A trained run.

    Args:
        checkpoint: the file with the model.
        directory: the run's; ``None`` of a checkpoint that lies elsewhere.
    """

    checkpoint: Path
    directory: Path | None

    def settings(self, name: str = "config") -> dict[str, Any]:
        """What the run recorded in ``.hydra/NAME.yaml``; empty where there is no such file.

        Raises:
            ValueError: if it holds no settings.
        """
        path = self.directory and self.directory / ".hydra" / f"{name}.yaml"
        if path is None or not path.is_file():
            return {}
        try:
            content = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: is no YAML ({' '.join(str(error).split())})") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path}: holds no settings: was it written by another version?")
        return content


def find_trained(run: Path, names: Sequence[str] = FOR_USE) -> Trained:
    """The trained run that ``run`` names: its directory, the ``checkpoints`` in it, or a checkpoint.

    Args:
        run: what names it.
        names: of the checkpoints that a directory stands for, the one that is preferred first.

    Raises:
        FileNotFoundError: if there is nothing of the name, or no checkpoint in it.
    """
    if run.is_file():
        return Trained(run, _directory(run.absolute().parent))
    if not run.is_dir():
        raise FileNotFoundError(f"there is no run {str(run)!r}: name a run's directory or a checkpoint")
    for folder in (run / FOLDER, run):
        for name in names:
            if (folder / name).is_file():
                return Trained(folder / name, _directory(folder.absolute()))
    inside = [str(found) for found in find_runs(run) if (found / FOLDER).is_dir()]
    hint = f": name one of the {len(inside)} runs in it, such as {inside[-1]}" if inside else ""
    raise FileNotFoundError(f"{str(run)!r} holds no {FOLDER}/{' or '.join(names)}{hint}")


def _directory(folder: Path) -> Path | None:
    """The directory of the run to which a folder of checkpoints belongs, if it lies where it should."""
    return folder.parent if folder.name == FOLDER else None
