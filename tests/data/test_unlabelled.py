"""Few labels: which are left, and who sees which."""

import logging

import numpy as np
import pytest
import torch

from contractive import DataModule
from contractive.data.labels import UNKNOWN
from contractive.data.sources.array import Array
from contractive.data.unlabelled import few_labels
from contractive.diagnostics.classifiers import error, linear_probe
from contractive.training.probing import probe_figures
from contractive.training.settings import Probe
from tests.training.test_probing import untrained


def digits(**options):
    data = DataModule("digits", **options)
    data.setup()
    return data


def in_file(folder, **options):
    """150 examples of each of three classes, sorted; number i is (i, 1)."""
    i = np.arange(450)
    np.save(folder / "x.npy", np.stack([i, np.ones(450)], 1).astype(np.float32))
    np.save(folder / "y.npy", i // 150)
    paths = {"path": str(folder / "x.npy"), "labels_path": str(folder / "y.npy")}
    return Array(**paths, in_memory_mib=0, **options)


def test_as_many_of_each_class_keep_their_own_label_and_all_pictures_stay():
    few, all_of_them = digits(labels=100, seed=3), digits(seed=3)
    train = few.split("train")
    assert torch.equal(train.x, all_of_them.split("train").x)
    kept = train.y != UNKNOWN
    assert torch.bincount(train.y[kept]).tolist() == [10] * 10
    assert torch.equal(train.y[kept], all_of_them.split("train").y[kept])
    for split in ("val", "test"):
        assert torch.equal(few.split(split).y, all_of_them.split(split).y)


def test_which_they_are_depends_on_the_seed_alone():
    y, train = np.arange(300) % 3, np.arange(200)
    first, again, other = (few_labels(y, train, 30, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_class_with_too_few_gives_all_and_all_labels_may_stay():
    y = np.repeat([0, 1, 2], [10, 100, 100])
    data = DataModule((np.random.default_rng(0).random((210, 3), np.float32), y), labels=120)
    data.setup()
    train = data.split("train").y
    counts = torch.bincount(train[train != UNKNOWN]).tolist()
    assert counts[0] < 11 and sum(counts) == 120 and abs(counts[1] - counts[2]) <= 1
    assert (digits(labels=1437).split("train").y != UNKNOWN).all()


def test_of_a_file_larger_than_memory_likewise(tmp_path):
    parts = in_file(tmp_path, labels=31).parts(seed=0)
    part = parts["train"]
    for split in ("val", "test"):
        for x, y in parts[split].loader(64, shuffle=False):
            assert torch.equal(x[:, 0].long() // 150, y)
    x, y = (torch.cat(column) for column in zip(*part.loader(64, shuffle=False)))
    kept = y != UNKNOWN
    assert sorted(torch.bincount(y[kept]).tolist()) == [10, 10, 11]
    assert torch.equal(x[kept, 0].long() // 150, y[kept])
    sample = part.sample(1000, seed=0)
    assert torch.equal(sample.y, y[kept]) and torch.equal(sample.x, x[kept])


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (9, r"data\.labels=9: must be between 10, one of each class, and 1437, all that train"),
        (1438, r"data\.labels=1438: must be between 10"),
        (0, r"labels must be an integer >= 1; got 0"),
        (2.5, r"labels must be an integer >= 1; got 2.5"),
    ],
)
def test_more_or_fewer_than_there_can_be_are_refused(n, said):
    with pytest.raises(ValueError, match=said):
        digits(labels=n)


def test_data_without_classes_have_no_few_labels():
    x = np.random.default_rng(0).random((50, 3), np.float32)
    for source, said in ((x, "no labels"), ((x, x[:, 0]), "measurements for labels")):
        with pytest.raises(ValueError, match=rf"data\.labels=10: the data have {said}"):
            DataModule(source, labels=10).setup()


def test_a_file_with_labels_has_a_setting_of_its_own(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(5))
    with pytest.raises(ValueError, match=r"got 'y\.npy': a file with labels is labels_path"):
        Array(path=str(tmp_path / "x.npy"), labels="y.npy")


@pytest.mark.parametrize("n", [40, 100])
def test_the_probe_learns_from_these_alone(n, caplog):
    data = digits(labels=n, seed=3)
    with caplog.at_level(logging.INFO):
        figures = probe_figures(untrained(data), data, Probe(labels=[]))
    train, val, test = (data.split(name) for name in ("train", "val", "test"))
    kept = train.y != UNKNOWN
    seen = [(x.flatten(1).numpy(), y.numpy()) for x, y in ((train.x[kept], train.y[kept]), (val.x, val.y))]
    linear = linear_probe(*seen, 3)
    assert figures["test/probe_error_raw"] == error(linear, (test.x.flatten(1).numpy(), test.y.numpy()))
    assert figures["train/probe_examples"] == n
    assert "takes" not in caplog.text  # neither fewer to bound its time, nor labels for measurements
