"""Checkpoints that were damaged or edited are read as what they say, or refused in one line."""

import random
import time

import pytest
import torch

from benchmarks import damaged
from benchmarks.damaged import (
    READ,
    REFUSED,
    apart,
    attempt,
    checkpoint_in,
    resume,
    try_damaged,
    try_edited,
    written,
)
from contractive import load_autoencoder
from contractive.runs.checkpoints import FORMAT, read_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return checkpoint_in(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def edit(whole, tmp_path):
    """Writes the checkpoint with one value in it replaced; the last of the names is where."""

    def write(*names, to):
        checkpoint = holder = torch.load(whole, weights_only=True)
        for name in names[:-1]:
            holder = holder[name]
        holder[names[-1]] = to(holder[names[-1]]) if callable(to) else to
        (tmp_path / "edited.ckpt").write_bytes(written(checkpoint))
        return tmp_path / "edited.ckpt"

    return write


def in_parallel():
    return str(torch.ones(400, 400).matmul(torch.ones(400, 400)).sigmoid().sum().item())


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_fork_of_a_process_with_threads_does_not_wait_for_them(two_threads):
    assert apart(in_parallel) == in_parallel() == apart(in_parallel)


def test_a_fork_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(damaged, "HANGS", 1)
    assert apart(lambda: str(time.sleep(20))) == "ended with -14"


def test_flipped_cut_and_padded_bytes(whole, tmp_path):
    draw = random.Random(0)
    outcomes = [try_damaged(whole, tmp_path / "a.ckpt", draw) for _ in range(60)]
    assert set(outcomes) <= {READ, REFUSED}
    assert outcomes.count(REFUSED) > 40


def test_every_flip_within_a_tensor_is_found(whole, tmp_path):
    content = bytearray(whole.read_bytes())
    weights = read_checkpoint(whole)["state_dict"]["encoder.1.weight"].numpy().tobytes()
    first = content.index(weights)
    for place in (first, first + 17, first + len(weights) - 1):
        content[place] ^= 1
        (tmp_path / "a.ckpt").write_bytes(content)
        with pytest.raises(
            ValueError, match=r"a\.ckpt' is damaged: the checksum of its part 'archive/data/0"
        ):
            read_checkpoint(tmp_path / "a.ckpt")
        content[place] ^= 1


def test_random_edits(whole, tmp_path):
    draw = random.Random(1)
    for _ in range(5):
        what, outcome = try_edited(whole, tmp_path / "a.ckpt", draw)
        assert outcome in (READ, REFUSED), what


WEIGHT = ("state_dict", "encoder.1.weight")


@pytest.mark.parametrize(
    ("names", "to", "said"),
    [
        (("format",), None, "no number of its format.*earlier version"),
        (("format",), FORMAT + 1, rf"has the format {FORMAT + 1}, and this version reads {FORMAT}.*update"),
        (("format",), FORMAT - 1, "older: train again"),
        (WEIGHT, lambda w: w * float("nan"), "'encoder.1.weight' is not finite"),
        (WEIGHT, lambda w: w.t().contiguous().t(), r"the strides \(1, 6\) of .*encoder.1.weight"),
        (WEIGHT, lambda w: w[:1].expand(w.shape), "the strides"),
        (WEIGHT, lambda w: w[:3].clone(), r"floats \(3, 64\), where the settings promise floats \(6, 64\)"),
        (WEIGHT, lambda w: w.double(), "torch.float32, torch.float64 instead of one type of floats"),
        (WEIGHT, lambda w: w.long(), r"int64 \(6, 64\), where"),
        (WEIGHT, lambda w: w.to_sparse(), "sparse"),
        (WEIGHT, 3.0, "'encoder.1.weight' is no tensor"),
        (
            ("state_dict", "more"),
            torch.zeros(2),
            r"'more' is floats \(2,\), where the settings promise missing",
        ),
        (
            ("hyper_parameters", "hidden"),
            [10**9],
            r"\(6, 64\), where .* promise floats \(1000000000, 64\)",
        ),
        (("hyper_parameters", "hidden"), [1] * 20_000, "at most 1000 sizes; got 20000"),
        (("hyper_parameters", "hidden"), [10**12, 10**12], "its settings are no model's: "),
        (("hyper_parameters", "hidden"), "six", "hidden must be a list of sizes"),
        (("hyper_parameters", "input_shape"), None, "input_shape must be a list of sizes"),
        (("hyper_parameters", "input_shape"), [64.0], "input_shape must hold integers"),
        (("hyper_parameters", "activation"), {"a": 1}, "activation must be one of"),
        (("hyper_parameters",), [], "its hyper_parameters is"),
        (("epoch",), -1, "its epoch is -1"),
        (("extra",), torch.device("cpu"), "is a device: only plain"),
    ],
)
def test_what_is_wrong_is_told(edit, names, to, said):
    path = edit(*names, to=to)
    start = time.monotonic()
    with pytest.raises(ValueError, match=said) as refused:
        load_autoencoder(path)
    assert time.monotonic() - start < 3
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


def test_a_list_that_holds_itself(edit):
    endless: list = []
    endless.append(endless)
    with pytest.raises(ValueError, match="more than 30 levels"):
        read_checkpoint(edit("extra", to=endless))


def test_two_weights_in_one_memory(whole, tmp_path):
    checkpoint = read_checkpoint(whole)
    memory = torch.zeros(6 * 64)
    checkpoint["state_dict"] |= {"encoder.1.weight": memory.view(6, 64), "encoder.1.bias": memory[:6]}
    (tmp_path / "a.ckpt").write_bytes(written(checkpoint))
    with pytest.raises(ValueError, match=r"'encoder\.1\.weight' and 'encoder\.1\.bias' share their memory"):
        read_checkpoint(tmp_path / "a.ckpt")


MOMENTS = ("optimizer_states", 0, "state", 0)
GROUP = ("optimizer_states", 0, "param_groups", 0)
LOOPS = ("loops", "fit_loop")


@pytest.mark.parametrize(
    ("names", "to"),
    [
        ((*MOMENTS, "exp_avg"), torch.zeros(2)),
        ((*MOMENTS, "exp_avg_sq"), lambda t: t[0].clone()),
        ((*MOMENTS, "exp_avg"), lambda t: t.double()),
        ((*MOMENTS, "exp_avg"), lambda t: t + float("inf")),
        ((*MOMENTS, "step"), torch.zeros(6, 64)),
        ((*MOMENTS, "step"), lambda t: t + 1000),
        (MOMENTS, {}),
        (("optimizer_states", 0, "state"), {}),
        ((*GROUP, "params"), [0, 1, 99]),
        ((*GROUP, "lr"), "fast"),
        (("lr_schedulers", 0, "last_epoch"), 10**9),
        (("lr_schedulers", 0, "step"), 5),
        ((*LOOPS, "epoch_progress", "current", "processed"), 10**30),
        ((*LOOPS, "epoch_progress"), None),
        ((*LOOPS, "state_dict", "combined_loader", 0, "batch"), 10**9),
        (("history", "sums"), torch.zeros(2)),
        (("progress", "best"), 7),
        (("callbacks",), []),
        (("pytorch-lightning_version",), "0.1"),
    ],
    # The same in every process that collects them.
    ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else type(each).__name__,
)
def test_no_training_goes_on_with_what_does_not_fit(edit, names, to):
    path = edit(*names, to=to)
    assert apart(lambda: attempt(lambda: resume(path, path.parent), path)) == REFUSED


def test_training_goes_on_with_what_fits(whole):
    assert apart(lambda: attempt(lambda: resume(whole, whole.parent), whole)) == READ
