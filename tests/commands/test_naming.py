"""What the runs of a sweep are called."""

import re

import pytest
import yaml

from contractive.commands.naming import job_name, name_in_sweep


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("model.lam=0.01", "lam=0.01"),
        ("model.lam=0.10", "lam=0.10"),
        ("model.lam=-1e-3", "lam=-1e-3"),
        ("model.hidden=[512,64]", "hidden=512-64"),
        ("model/penalty=hutchinson", "penalty=hutchinson"),
        ("+optimizer.amsgrad=true", "amsgrad=true"),
        ("data.path='/a b/ü=1,{x}'", "path=a-b-1-x"),
        ("data.batch_size=64", "batch_size=64"),
        ("data.path=../..", "path=..-.."),
        ("data.path='ü'", "path=x"),
        ("model.lam=0.015676677195506072", "lam=0.015677"),
        ("seed=1234567890", "seed=1234567890"),
        ("encoder=/home/me/outputs/multirun/night/12_lam=0.01", "encoder=night-12_lam-0.01"),
        ("encoder=/home/me/a/folder/multirun/12_lam=0.01", "encoder=multirun-12_lam-0.01"),
        ("data.label=a_rather_long_name_of_a_column", "label=a_rather_long_name_of_a_"),
        ("data.label=a b", "label=a-b"),
    ],
)
def test_a_name_is_short_and_safe(override, name):
    assert job_name(7, [override]) == f"7_{name}"


def test_what_all_runs_of_the_sweep_share_is_left_out(tmp_path):
    record = {
        "hydra": {
            "overrides": {
                "task": ["model.lam=0,1", "seed=3", "+model.colour=true", "data=choice(digits,mnist)"]
            }
        }
    }
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump(record))
    own = ["model.lam=1", "seed=3", "model.colour=True", "data=mnist"]
    assert name_in_sweep(3, own, str(tmp_path)) == "3_lam=1_data=mnist"
    assert name_in_sweep(3, own, str(tmp_path / "none")) == "3_lam=1_seed=3_colour=True_data=mnist"


def test_settings_that_end_alike_are_told_apart():
    assert job_name(0, ["a.lr=1", "b.lr=2", "seed=3"]) == "0_a.lr=1_b.lr=2_seed=3"


def test_a_name_is_bounded_and_every_one_can_be_pasted():
    long = [f"group.setting{number}={'/x, y' * 100}" for number in range(50)]
    name = job_name(123, long)
    assert len(name) <= 80
    assert re.fullmatch(r"123(_[\w.+=-]+)+", name)


def test_what_has_no_room_and_all_after_it_are_left_out():
    overrides = [f"group.setting{number}={'x' * 24}" for number in range(3)]
    assert job_name(1, [*overrides, "seed=1"]) == job_name(1, overrides[:2])
