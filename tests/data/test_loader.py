"""Batches from memory."""

from itertools import chain

import pytest
import torch

from contractive.data.examples import Examples
from contractive.data.loader import MemoryLoader


def examples(n):
    """Example i is the byte i, and so is its label."""
    return Examples(torch.arange(n, dtype=torch.uint8)[:, None], torch.arange(n))


def loader(n=100, batch_size=8, **settings):
    return MemoryLoader(examples(n), torch.arange(n), batch_size, **{"shuffle": True} | settings)


def labels(batches):
    return torch.cat([batch[1] for batch in batches])


def test_batches_are_of_the_type_in_which_the_examples_are_stored():
    (x, y), *_ = loader(256, shuffle=False)
    assert x.dtype == torch.uint8
    assert torch.equal(x[:, 0].long(), y)


def test_a_shuffled_epoch_is_a_permutation_and_no_two_are_alike():
    batches = loader()
    first = labels(batches)
    batches.set_epoch(1)
    second = labels(batches)
    assert not torch.equal(first, second)
    for epoch in (first, second):
        assert torch.equal(epoch.sort().values, torch.arange(100))


def test_the_order_depends_on_seed_and_epoch_alone():
    a, b = loader(seed=3), loader(seed=3)
    a.set_epoch(5), b.set_epoch(5)
    order = labels(a)
    torch.rand(7)
    assert torch.equal(order, labels(b))
    assert not torch.equal(order, labels(loader(seed=4)))


def test_only_the_examples_of_the_split_are_shown():
    index = torch.tensor([3, 50, 7])
    batches = MemoryLoader(examples(100), index, 2, shuffle=True)
    assert sorted(labels(batches).tolist()) == [3, 7, 50]


@pytest.mark.parametrize(
    ("n", "batch_size", "drop_last"), [(100, 8, False), (100, 8, True), (96, 8, False), (5, 8, False)]
)
def test_there_are_as_many_batches_as_the_length_says(n, batch_size, drop_last):
    batches = loader(n, batch_size, drop_last=drop_last)
    sizes = [len(x) for x, _ in batches]
    assert len(sizes) == len(batches)
    assert sum(sizes) == (n // batch_size * batch_size if drop_last else n)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 101, 127, 129])
@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize(("batch_size", "drop_last"), [(1, False), (4, False), (8, False), (4, True)])
def test_processes_share_the_batches_of_one(n, world_size, batch_size, drop_last):
    one = loader(n, batch_size * world_size, drop_last=drop_last)
    settings = {"world_size": world_size, "drop_last": drop_last}
    ranks = [loader(n, batch_size, rank=r, **settings) for r in range(world_size)]
    for epoch in range(2):
        for each in (one, *ranks):
            each.set_epoch(epoch)
        whole, *shares = (list(each) for each in (one, *ranks))
        assert [len(share) for share in shares] == [len(whole)] * world_size == [len(one)] * world_size
        for number, ((_, y), *parts) in enumerate(zip(whole, *shares)):
            assert torch.equal(torch.cat([part for _, part in parts]), y)
            sizes = [len(part) for _, part in parts]
            assert max(sizes) - min(sizes) <= 1
            means = [part.double().mean() if len(part) else torch.tensor(0.0) for _, part in parts]
            weighted = [rank.weight(number) * mean for rank, mean in zip(ranks, means)]
            torch.testing.assert_close(sum(weighted) / world_size, y.double().mean(), check_dtype=False)


def test_an_epoch_goes_on_with_the_very_next_batch():
    whole = loader()
    whole.set_epoch(2)
    order = labels(whole)
    stopped = loader()
    stopped.set_epoch(2)
    iterator = iter(stopped)
    head = [next(iterator) for _ in range(5)]
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    tail_iterator = iter(resumed)  # as Lightning does: iter() first, then the epoch
    resumed.set_epoch(2)
    assert torch.equal(torch.cat([labels(head), labels(tail_iterator)]), order)
    resumed.set_epoch(3)
    assert len(labels(resumed)) == 100


def test_an_epoch_that_was_read_to_its_last_batch_is_over():
    batches = loader()
    iterator = iter(batches)
    for _ in range(len(batches)):
        next(iterator)
    assert batches.state_dict()["batch"] == 0
    assert len(labels(batches)) == 100


def test_an_epoch_that_was_left_early_does_not_go_on_in_the_next():
    batches = loader(shuffle=False)
    next(iter(batches))
    assert torch.equal(labels(batches), torch.arange(100))


def test_other_processes_go_on_within_an_epoch_if_they_share_the_same_batches():
    whole = list(loader(100, 16))
    stopped = loader(100, 8, rank=1, world_size=2)
    iterator = iter(stopped)
    next(iterator), next(iterator)
    resumed = loader(100, 16)
    resumed.load_state_dict(stopped.state_dict())
    assert torch.equal(labels(resumed), labels(whole[2:]))


@pytest.mark.parametrize("other", [{"batch_size": 4}, {"world_size": 2}, {"n": 99}])
def test_other_batches_do_not_go_on_within_an_epoch(other):
    stopped, resumed = loader(), loader(**other)
    iterator = iter(stopped)
    next(iterator)
    with pytest.raises(
        ValueError, match=r"of 100 examples in batches of 8, and this one is of .*: go on with"
    ):
        resumed.load_state_dict(stopped.state_dict())
    assert len(list(iterator)) == len(stopped) - 1
    resumed.load_state_dict(stopped.state_dict())  # at an epoch's end any may take over
    assert len(list(resumed)) == len(resumed)


def few(n=100, batch_size=8, every=9, **settings):
    """Batches of examples of which one in ``every`` has a label, its own number."""
    y = torch.arange(n)
    given = Examples(y[:, None], y.where(y % every == 0, -1))
    return MemoryLoader(given, torch.arange(1, n), batch_size, **{"shuffle": True, "labelled": 4} | settings)


def numbers(batches):
    return [x[:, 0].tolist() for x, _ in batches]


def joined(batches, alone):
    """What stands after the examples of the batches that nothing joins."""
    parts = []
    for batch, own in zip(numbers(batches), numbers(alone), strict=True):
        assert batch[: len(own)] == own
        parts.append(batch[len(own) :])
    return parts


def test_labelled_examples_join_each_batch_in_turns_shuffled_anew_each_time():
    batches, alone = few(), few(labelled=0)
    rounds, drawn = 11 * 4, []
    for epoch in range(rounds):
        batches.set_epoch(epoch), alone.set_epoch(epoch)
        found = joined(batches, alone)
        assert [len(part) for part in found] == [4] * len(batches)
        drawn += [number for part in found for number in part]
    with_label = list(range(9, 100, 9))
    turns = torch.tensor(drawn).view(-1, len(with_label))  # 13 batches of 4 an epoch, over epochs' ends
    assert torch.equal(turns.sort(1).values, torch.tensor(with_label).expand_as(turns))
    assert len({tuple(turn.tolist()) for turn in turns}) == len(turns) == rounds * 13 * 4 // 11
    for x, y in batches:
        assert torch.equal(y, x[:, 0].where(x[:, 0] % 9 == 0, -1))


@pytest.mark.parametrize(("batch_size", "count"), [(8, 8), (50, 11)])
def test_as_many_join_as_there_are_and_no_more_than_a_batch(batch_size, count):
    found = joined(few(batch_size=batch_size, labelled=None), few(batch_size=batch_size, labelled=0))
    assert all(len(set(part)) <= count == len(part) for part in found)


@pytest.mark.parametrize("every", [1, 1000])
def test_none_join_where_all_have_a_label_or_none_has(every):
    assert numbers(few(every=every, labelled=None)) == numbers(few(every=every, labelled=0))


def test_which_ones_join_depends_on_the_seed():
    first, again, other = (joined(few(seed=s), few(seed=s, labelled=0)) for s in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize(("n", "labelled"), [(100, 2), (100, None), (21, None), (98, 1)])
def test_processes_share_what_joins_the_batches_of_one(world_size, n, labelled):
    together = None if labelled is None else labelled * world_size
    one, alone = (few(n, 4 * world_size, labelled=each) for each in (together, 0))
    ranks = [few(n, 4, labelled=labelled, rank=r, world_size=world_size) for r in range(world_size)]
    shares = [few(n, 4, labelled=0, rank=r, world_size=world_size) for r in range(world_size)]
    for each in (one, alone, *ranks, *shares):
        each.set_epoch(1)
    wanted = joined(one, alone)
    parts = [joined(rank, share) for rank, share in zip(ranks, shares)]
    assert [list(chain(*each)) for each in zip(*parts, strict=True)] == wanted and any(wanted)
    for number, (whole, *own) in enumerate(zip(one, *ranks)):
        sizes = [len(x) for x, _ in own]
        assert sum(sizes) == len(whole[0])
        weights = [rank.weight(number) for rank in ranks]
        assert weights == pytest.approx([size * world_size / sum(sizes) for size in sizes])


def test_an_epoch_goes_on_with_the_very_next_labelled_ones():
    whole, stopped, resumed = few(), few(), few()
    whole.set_epoch(2), stopped.set_epoch(2)
    iterator = iter(stopped)
    head = [next(iterator) for _ in range(5)]
    resumed.load_state_dict(stopped.state_dict())
    tail = iter(resumed)
    resumed.set_epoch(2)
    assert numbers([*head, *tail]) == numbers(whole)
    with pytest.raises(ValueError, match=r"and 4 of 11 with a label in each, and this one is of .* and 3 of"):
        few(labelled=3).load_state_dict(stopped.state_dict())
