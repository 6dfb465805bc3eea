"""The data module, on real data and on numbered examples."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from contractive.training.datamodule import DataModule


def digits(**settings):
    data = DataModule("digits", **settings)
    data.setup("fit")
    return data


def test_the_splits_of_the_digits_are_a_stratified_partition():
    data = digits()
    parts = {name: data.split(name) for name in ("train", "val", "test")}
    assert sum(len(part) for part in parts.values()) == 1797
    assert {name: len(part) for name, part in parts.items()} == {"train": 1437, "val": 180, "test": 180}
    for part in parts.values():
        assert part.y.bincount(minlength=10).min() >= 0.08 * len(part)
    rows = torch.cat([part.x for part in parts.values()]).flatten(1)
    assert len(rows.unique(dim=0)) == len(digits().split("train").x.flatten(1).unique(dim=0)) + 360


def test_the_splits_depend_on_the_seed_alone():
    assert torch.equal(digits(seed=1).split("val").x, digits(seed=1).split("val").x)
    assert not torch.equal(digits(seed=1).split("val").x, digits(seed=2).split("val").x)


def test_digits_are_pictures_in_the_unit_interval():
    data = digits()
    x = data.split("train").x
    assert data.input_shape == (1, 8, 8) and data.is_image
    assert (x.min(), x.max()) == (0, 1)
    data.check_unit_interval()


def test_examples_are_the_same_every_time():
    data = digits()
    x, y = data.examples("val", 5)
    assert torch.equal(x, data.split("val").x[:5]) and len(y) == 5


def test_the_scaling_is_fitted_on_the_training_split_only():
    data = digits(scaling="standard")
    train = data.split("train").x
    assert data.scaler.shift.item() == pytest.approx(train.mean().item(), abs=1e-6)
    assert data.scaler.shift.item() != pytest.approx(
        torch.cat([train, data.split("test").x]).mean().item(), abs=1e-6
    )


def test_standardised_data_are_refused_by_the_cross_entropy():
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\].*data.scaling=unit"):
        digits(scaling="standard").check_unit_interval()


N = 150


@pytest.fixture(params=["array", "tensor", "file in memory", "file on disk"])
def numbered(request, tmp_path):
    """A data module over the same N examples: number i is (i, 7), its label i."""
    x = torch.stack([torch.arange(N), torch.full((N,), 7)], 1).float()
    y = torch.arange(N)

    def make(**settings):
        if request.param == "tensor":
            return DataModule((x, y), **settings)
        if request.param == "array":
            return DataModule((x.double().numpy(), y.numpy()), **settings)
        np.save(tmp_path / "x.npy", x.numpy())
        np.save(tmp_path / "y.npy", y.numpy())
        size = 0.0 if request.param == "file on disk" else 256.0
        paths = {"path": str(tmp_path / "x.npy"), "labels_path": str(tmp_path / "y.npy")}
        return DataModule("array", **paths, in_memory_mib=size, **settings)

    def ready(**settings):
        data = make(**settings)
        data.setup()
        return data

    return ready


def loaders(data):
    return {"train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader()}


def seen(loader):
    x, y = (torch.cat(tensors) for tensors in zip(*loader))
    assert torch.equal(x[:, 0].long(), y), "each example goes with its own label"
    return y


def test_the_loaders_show_every_example_with_its_label_in_one_split(numbered):
    splits = {name: seen(loader) for name, loader in loaders(numbered(batch_size=16)).items()}
    assert {name: len(y) for name, y in splits.items()} == {"train": 120, "val": 15, "test": 15}
    assert torch.equal(torch.cat(list(splits.values())).sort().values, torch.arange(N))


def test_only_training_is_shuffled_anew_in_every_epoch(numbered):
    for name, loader in loaders(numbered(batch_size=16)).items():
        first = seen(loader)
        loader.set_epoch(1)
        assert torch.equal(first, seen(loader)) == (name != "train"), name


def test_the_test_split_is_what_is_predicted_in_order(numbered):
    data = numbered(batch_size=4)
    assert torch.equal(seen(data.predict_dataloader()), seen(data.test_dataloader()))


def test_the_first_examples_have_their_labels_and_are_those_of_the_loader(numbered):
    data = numbered(batch_size=4)
    for name, loader in loaders(data).items():
        if name == "train":
            continue
        x, y = data.examples(name, 9)
        assert torch.equal(x[:, 0].long(), y) and torch.equal(y, seen(loader)[:9])
    x, y = data.examples("train", 30)
    assert len(y) == 30 and torch.equal(x[:, 0].long(), y)


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [50, 50, 20]), (True, [50, 50])])
def test_only_training_drops_its_last_batch(numbered, drop_last, sizes):
    data = numbered(batch_size=50, drop_last=drop_last)
    assert [len(x) for x, _ in data.train_dataloader()] == sizes
    assert [len(x) for x, _ in data.val_dataloader()] == [15]
    assert [len(x) for x, _ in data.test_dataloader()] == [15]


def test_each_process_of_the_trainer_takes_its_own_share_of_every_split(numbered):
    shares = {"train": [], "val": [], "test": []}
    for rank in range(3):
        data = numbered(batch_size=8)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=3, lightning_module=None)
        for name, loader in loaders(data).items():
            shares[name].append(seen(loader))
    for name, n in {"train": 120, "val": 15, "test": 15}.items():
        assert [len(share) for share in shares[name]] == [n // 3] * 3
        assert len(torch.cat(shares[name]).unique()) == n


def test_floats_are_standardised_unless_something_else_is_asked_for(numbered):
    data = numbered()
    x = torch.cat([x for x, _ in data.train_dataloader()])
    scaled = data.scaler(x)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    assert scaled[:, 0].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(scaled[:, 1], torch.zeros(len(x))), "a constant feature becomes 0"
    assert numbered(scaling="none").scaler is None
    unit = numbered(scaling="unit")
    unit.check_unit_interval()
    scaled = unit.scaler(torch.cat([x for x, _ in unit.train_dataloader()]))
    assert scaled[:, 0].aminmax() == (0, 1)


def test_batches_are_as_stored_and_the_first_examples_are_floats():
    x = torch.randint(0, 256, (40, 3, 4, 4), dtype=torch.uint8)
    data = DataModule(x, batch_size=8)
    data.setup()
    assert data.scaler is None and data.is_image
    (batch,) = next(iter(data.val_dataloader()))
    assert batch.dtype == torch.uint8
    first, labels = data.examples("val", 4)
    assert labels is None
    torch.testing.assert_close(first, batch[:4] / 255)
    data.check_unit_interval()


@pytest.mark.parametrize("in_memory_mib", [256.0, 0.0])
def test_pictures_are_scaled_alike_in_memory_and_on_disk(tmp_path, in_memory_mib):
    """By all training pictures and all pixels of a channel, though extremes are rare."""
    x = np.random.default_rng(0).integers(100, 120, (600, 4, 5, 3)).astype(np.uint8)
    x[np.arange(0, 600, 60), 1, 2] = [3, 50, 250]
    x[np.arange(7, 600, 60), 3, 4] = [240, 60, 9]
    np.save(tmp_path / "x.npy", x)
    for scaling in ("unit", "standard"):
        data = DataModule("array", path=str(tmp_path / "x.npy"), in_memory_mib=in_memory_mib, scaling=scaling)
        data.setup()
        scaled = (
            torch.cat([data.scaler(x / 255) for (x,) in data.train_dataloader()]).transpose(0, 1).flatten(1)
        )
        if scaling == "unit":
            torch.testing.assert_close(scaled.amin(1), torch.zeros(3), atol=1e-6, rtol=0)
            torch.testing.assert_close(scaled.amax(1), torch.ones(3), atol=1e-6, rtol=0)
        else:
            torch.testing.assert_close(scaled.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
            torch.testing.assert_close(scaled.std(1, correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_a_split_that_stays_in_its_file_is_not_had_at_once(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((20, 2)))
    data = DataModule("array", path=str(tmp_path / "x.npy"), in_memory_mib=0.0)
    data.setup()
    with pytest.raises(ValueError, match=r"the val split stays in its file: use val_dataloader\(\)"):
        data.split("val")


def test_settings_of_other_sources_are_refused():
    with pytest.raises(ValueError, match="root: digits takes no settings of its own"):
        DataModule("digits", root="data")
    with pytest.raises(ValueError, match="root: there is no such setting"):
        DataModule(torch.rand(9, 2), root="data")
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1; got 0"):
        DataModule(torch.rand(9, 2), batch_size=0)


def test_the_order_of_training_depends_on_the_seed_where_no_split_is_cut(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40.0)[:, None])
    paths = dict.fromkeys(("path", "val_path", "test_path"), str(tmp_path / "x.npy"))
    orders = []
    for seed in (0, 0, 1):
        data = DataModule("array", seed=seed, **paths)
        data.setup()
        orders.append(torch.cat([x for (x,) in data.train_dataloader()])[:, 0])
    assert torch.equal(orders[0], orders[1]) and not torch.equal(orders[0], orders[2])
    assert torch.equal(orders[2].sort().values, torch.arange(40.0))
