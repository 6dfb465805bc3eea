"""The composed configuration."""

import pytest
from hydra import compose, initialize_config_dir

from contractive.commands.check import check_config
from contractive.commands.train import CONFIG_DIR, plain


def composed(*overrides):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return plain(compose("config", overrides=list(overrides)))


def choices(group):
    return [f"{group}={file.stem}" for file in sorted((CONFIG_DIR / group).glob("*.yaml"))]


GROUPS = (
    "model",
    "model/penalty",
    "model/corruption",
    "lam",
    "optimizer",
    "trainer",
    "callbacks",
    "logger",
    "experiment",
)


@pytest.mark.parametrize("choice", [choice for group in GROUPS for choice in choices(group)])
def test_every_choice_composes_and_is_valid(choice):
    check_config(composed(choice))


@pytest.mark.parametrize("choice", choices("data"))
def test_every_source_is_valid_once_it_has_a_path(choice, tmp_path):
    config = composed(choice)
    if "path" in config["data"]:
        with pytest.raises(ValueError, match=r"data\.path must name the data"):
            check_config(config)
        config["data"]["path"] = str(tmp_path)
    check_config(config)


@pytest.mark.parametrize(("name", "lam"), [("none", 0), ("default", 0.01), ("paper", 0.1), ("warmup", 0.01)])
def test_lam_has_named_settings_and_a_number_has_the_last_word(name, lam):
    assert composed(f"lam={name}")["model"]["lam"] == lam
    assert composed("model.lam=1e-3", f"lam={name}")["model"]["lam"] == 1e-3
    assert (composed(f"lam={name}")["model"]["lam_warmup_epochs"] > 0) == (name == "warmup")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.max_epochs=0", r"trainer\.max_epochs must be an integer >= 1; got 0"),
        ("optimizer.lr=0", r"optimizer\.lr must be a finite number > 0; got 0"),
        ("optimizer.name=Adamm", r"optimizer\.name must be one of .*; got 'Adamm'; did you mean Adam"),
        ("seed=-1", r"seed must be an integer >= 0; got -1"),
        ("optimized_metric=loss", r"optimized_metric must be one of val/loss"),
        ("data.batch_size=0", r"data\.batch_size must be an integer >= 1; got 0"),
        ("data.val_fraction=0.95", r"data\.val_fraction=0\.95 and test_fraction=0\.1 leave nothing"),
        ("+data.colour=true", r"data\.colour: digits takes no settings of its own"),
        ("+model.colour=true", r"model\.colour: there is no such setting"),
        ("ckpt_path=nowhere.ckpt", r"ckpt_path: there is no file 'nowhere\.ckpt'"),
    ],
)
def test_a_mistake_names_the_full_key(override, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        check_config(composed(override))
