"""Cutting splits."""

import pytest
import torch

from contractive.data.parts import cut


def test_a_cut_is_a_partition_of_the_right_size():
    left, taken = cut(torch.arange(10, 110), torch.arange(200) % 3, 0.1, seed=0, name="val")
    assert len(taken) == 10
    assert torch.equal(torch.cat([left, taken]).sort().values, torch.arange(10, 110))


def test_every_label_keeps_its_share():
    y = torch.cat([torch.zeros(900), torch.ones(100)]).long()
    _, taken = cut(torch.arange(1000), y, 0.1, seed=0, name="val")
    assert y[taken].sum() == 10


def test_a_cut_depends_on_its_seed_alone():
    cuts = [cut(torch.arange(100), None, 0.2, seed, "val")[1] for seed in (0, 0, 1)]
    assert torch.equal(cuts[0], cuts[1])
    assert not torch.equal(cuts[0], cuts[2])


def test_labels_that_are_all_different_do_not_hinder():
    _, taken = cut(torch.arange(100), torch.arange(100), 0.2, seed=0, name="val")
    assert len(taken) == 20


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (3, 0.1), (2, 0.9)])
def test_no_split_may_be_empty(n, fraction):
    with pytest.raises(
        ValueError, match=rf"val_fraction={fraction:g} of {n} examples .* neither may be empty"
    ):
        cut(torch.arange(n), None, fraction, seed=0, name="val")
