"""Labels as classes and as measurements."""

import numpy as np
import pytest

from contractive import DataModule
from contractive.data.labels import as_labels, to_ids

HALVES = np.array([0.5, 2.0, 1.5])


def test_numbers_that_are_not_whole_are_measurements_and_keep_their_values():
    assert as_labels(HALVES, 3, "y").tolist() == [0.5, 2.0, 1.5]
    assert as_labels(HALVES, 3, "y").dtype == np.float64
    assert as_labels(np.array([1.0, 2.0]), 2, "y").dtype == np.int64


def test_measurements_of_one_split_make_measurements_of_all():
    ids, classes = to_ids({"train": HALVES, "val": np.array([1, 2]), "test": None}, {})
    assert ids["val"].dtype == np.float64 and ids["val"].tolist() == [1.0, 2.0]
    assert ids["train"].tolist() == [0.5, 2.0, 1.5] and classes is None and ids["test"] is None
    with pytest.raises(ValueError, match="labels are strings, those of b are numbers"):
        to_ids({"train": np.array(["x"]), "val": HALVES}, {"train": "a", "val": "b"})


@pytest.mark.parametrize("seed", [0, 1])
def test_measurements_reach_the_batches_and_splits_are_cut_at_random(seed):
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    y = np.repeat([0.25, 0.75], 50)  # of few different values, as classes would be
    data = DataModule((x, y), seed=seed)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    assert batch[1].is_floating_point() and set(batch[1].tolist()) == {0.25, 0.75}
