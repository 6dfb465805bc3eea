"""Damages and edits checkpoints: each is read as what it says or refused in one line that names the file.

    python benchmarks/damaged.py                 # 300 with flipped or missing bytes, 300 edited ones
    python benchmarks/damaged.py --trials 20 --seed 3

Those with flipped bytes have to load to the same content. From each edited one training goes on, too, in a
process of its own, so that a crash is seen. Exit code 1 if anything else happens.
"""

import argparse
import copy
import io
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

READ, REFUSED = "read", "refused"
HANGS = 60  # seconds
SETTINGS: dict[str, Any] = {
    "model": {"hidden": [6, 4]},
    "data": {"source": "digits", "scaling": "standard", "batch_size": 256},
    "scheduler": {"name": "StepLR", "step_size": 1},
    "trainer": {"max_epochs": 2, "limit_val_batches": 1, "limit_test_batches": 1},
}
LONGER = SETTINGS | {"trainer": SETTINGS["trainer"] | {"max_epochs": 3}}
VALUES: list[Any] = [None, True, -1, 2**31, 10**30, 0.5, float("nan"), float("inf"), "", "a\nb", [], [1], {}]


def written(checkpoint: Mapping[str, Any]) -> bytes:
    """The file of a checkpoint."""
    file = io.BytesIO()
    torch.save(checkpoint, file)
    return file.getvalue()


def damaged(content: bytes, random: random.Random) -> bytes:
    """With a byte changed, or the end missing, or something added."""
    kind = random.choice(["flip", "flip", "flip", "cut", "append", "insert", "zero"])
    place = random.randrange(len(content))
    if kind == "flip":
        return content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1 :]
    if kind == "cut":
        return content[:place]
    if kind == "append":
        return content + random.randbytes(random.randrange(1, 100))
    length = random.randrange(1, 100)
    rest = content[place:] if kind == "insert" else bytes(length) + content[place + length :]
    return content[:place] + (random.randbytes(length) if kind == "insert" else b"") + rest


def edited(checkpoint: dict[str, Any], random: random.Random) -> tuple[dict[str, Any], str]:
    """With one value changed, missing or new, and the place of it."""
    checkpoint = copy.deepcopy(checkpoint)
    parts = list(_parts(checkpoint, ""))
    # As often in what is written about as in what there is most of.
    section = random.choice(sorted({place.split(".")[1] for _, _, place in parts}))
    holder, key, place = random.choice([part for part in parts if part[2].split(".")[1] == section])
    value = holder[key]
    kind = random.choice(["delete", "replace", "replace", "change", "change", "change"])
    if kind == "delete":
        del holder[key]
    elif isinstance(value, Tensor) and kind == "change":
        name, change = random.choice(TENSORS)
        holder[key], kind = change(value), name
    elif isinstance(value, int | float) and not isinstance(value, bool) and kind == "change":
        holder[key] = value + random.choice([-1, 1, 1000, -value, -2 * value])
    elif isinstance(value, dict) and kind == "change":
        value[random.choice(["new", 7, -1])] = random.choice(VALUES)
    else:
        holder[key] = random.choice([*VALUES, torch.zeros(2)])
        kind = f"replace by {holder[key]!r}"
    return checkpoint, f"{place}: {kind}"


TENSORS: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("two zeros", lambda t: torch.zeros(2)),
    ("as one value expanded", lambda t: torch.zeros((), dtype=t.dtype).expand(t.shape)),
    ("of a billion", lambda t: torch.zeros(1, dtype=t.dtype).expand(10**9)),
    ("transposed", lambda t: t.t().contiguous().t() if t.ndim == 2 else t[None]),
    ("NaN", lambda t: t * float("nan")),
    ("infinite", lambda t: t + float("inf")),
    ("in 16 bits", lambda t: t.half()),
    ("in 64 bits", lambda t: t.double()),
    ("of integers", lambda t: t.long()),
    ("complex", lambda t: t + 0j),
    ("sparse", lambda t: t.to_sparse()),
    ("longer", lambda t: torch.cat([t.flatten(), t.flatten()])),
    ("flat", lambda t: t.flatten()),
    (
        "in the middle of its memory",
        lambda t: torch.cat([t.flatten()] * 3)[t.numel() : 2 * t.numel()].view_as(t),
    ),
    ("negative", lambda t: -t - 1),
]


def _parts(value: Any, place: str) -> Any:
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, each in list(pairs):
        yield value, key, f"{place}.{key}"
        if isinstance(each, dict | list) and each:
            yield from _parts(each, f"{place}.{key}")


def attempt(action: Callable[[], Any], path: Path) -> str:
    """What comes of it: ``READ``, ``REFUSED``, or what was wrong with the refusal."""
    from contractive.training.history import NonFiniteLossError

    try:
        action()
    except (ValueError, FileNotFoundError) as error:
        said = str(error)
        return REFUSED if "\n" not in said and path.name in said and len(said) < 1000 else f"said: {said!r}"
    except NonFiniteLossError:
        return READ  # a number that no training survives, told as such
    except BaseException as error:
        return f"{type(error).__name__}: {error} {traceback.format_exc(limit=-3)}"
    return READ


def apart(action: Callable[[], str]) -> str:
    """The same in a fork of this process, which may crash or hang."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANGS)
        # OpenMP's threads stay behind in the parent: work that is shared among them would wait forever.
        torch.set_num_threads(1)
        said = "nothing"
        try:
            said = action()
        finally:
            os.write(write, said.encode()[:60000])
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return answer if code == 0 else f"ended with {code}"


def load(path: Path, content: Mapping[str, Any] | None) -> None:
    """Both ways to load; what was read has to be what stands in the file."""
    from contractive import ContractiveAutoencoder, load_autoencoder

    for read in (load_autoencoder, ContractiveAutoencoder.load_from_checkpoint):
        weights = read(path).state_dict()
        if content is not None:
            assert weights.keys() == content["state_dict"].keys()
            assert all(torch.equal(weights[name], content["state_dict"][name]) for name in weights)


def resume(path: Path, folder: Path) -> None:
    """One more epoch, in a directory of its own."""
    from contractive.training import fit

    with tempfile.TemporaryDirectory(dir=folder) as directory:
        fit(LONGER | {"ckpt_path": str(path)}, directory=directory)


def checkpoint_in(folder: Path) -> Path:
    """A whole one to begin with."""
    from contractive.training import fit

    return fit(SETTINGS, directory=folder / "run").last


def try_damaged(whole: Path, path: Path, random: random.Random) -> str:
    """Damage it, and load it."""
    from contractive.runs.checkpoints import read_checkpoint

    path.write_bytes(damaged(whole.read_bytes(), random))

    def action() -> None:
        assert written(read_checkpoint(path)) == written(read_checkpoint(whole))

    return attempt(action, path)


def try_edited(whole: Path, path: Path, random: random.Random) -> tuple[str, str]:
    """Edit it, load it, and go on from it; what was edited, and what came of it."""
    content, what = edited(torch.load(whole, weights_only=True), random)
    path.write_bytes(written(content))
    loaded = attempt(lambda: load(path, content), path)
    return what, loaded if loaded not in (READ, REFUSED) else apart(
        lambda: attempt(lambda: resume(path, path.parent), path)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    draw = random.Random(given.seed)
    counts: dict[tuple[str, str], int] = {}
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        whole = checkpoint_in(folder)
        for number in range(2 * given.trials):
            path = folder / f"damaged-{number}.ckpt"
            if number % 2:
                kind, (what, outcome) = "edited", try_edited(whole, path, draw)
            else:
                kind, what, outcome = "flipped or cut", "", try_damaged(whole, path, draw)
            path.unlink()
            said = outcome if outcome in (READ, REFUSED) else "WRONG"
            counts[kind, said] = counts.get((kind, said), 0) + 1
            if said == "WRONG":
                wrong += 1
                print(f"{number} {what}\n    {outcome}", flush=True)
    for (kind, said), count in sorted(counts.items()):
        print(f"{kind:15} {said:8} {count}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
