"""The composed configuration."""

from dataclasses import fields

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from contractive.commands.check import check_config, plain
from contractive.commands.explain import groups
from contractive.commands.schemas import CONFIG_DIR, SCHEMAS, register
from contractive.commands.sweep import number_of_jobs
from contractive.settings import default

register()


def composed(*overrides):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return plain(compose("config", overrides=list(overrides)))


CHOICES = [f"{group}={name}" for group, names in groups().items() for name in names]


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if not choice.startswith("data=")])
def test_every_choice_composes_and_is_valid(choice):
    if choice.startswith("sweep=optuna"):
        pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs contractive[optuna]")
    check_config(composed(choice))


def test_one_command_sweeps_lam_on_mnist():
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("config", overrides=["experiment=mnist_lam"], return_hydra_config=True)
    assert number_of_jobs(config) == 7
    lams = [float(lam) for lam in config.hydra.sweeper.params["model.lam"].split(",")]
    assert {0, 0.01, 0.1, 1, 3, 10} < set(lams) and lams == sorted(lams)
    assert config.data.source == "mnist" and config.data.batch_size == 256
    assert config.model.hidden == [1000] and config.model.reconstruction == "cross_entropy"
    assert config.trainer.max_epochs == 20 and config.probe.draw == "first"


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice.startswith("data=")])
def test_every_source_is_valid_once_it_has_a_path_or_a_run(choice, tmp_path):
    config = composed(choice)
    for needed in {"path", "run"} & config["data"].keys():
        with pytest.raises(ValueError, match=rf"data\.{needed} must name the"):
            check_config(config)
        config["data"][needed] = str(tmp_path)
    check_config(config)


@pytest.mark.parametrize(("name", "lam"), [("none", 0), ("default", 0.1), ("paper", 0.1), ("warmup", 0.1)])
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
        ("seed=1000000000000000000000", r"seed must be an integer <= 4294967295; got 1000000000000000000000"),
        ("data.batch_size=10000000000000000000", r"data\.batch_size must be an integer <= 2147483647; got 1"),
        ("model.hidden=[10000000000]", r"model\.hidden must hold integers <= 2147483647; got 10000000000 in"),
        ("seed=-1", r"seed must be an integer >= 0; got -1"),
        ("optimized_metric=loss", r"optimized_metric must be one of val/loss"),
        ("optimized_metric=[val/loss,val/prob_error]", r"one of .*; did you mean val/probe_error"),
        ("optimized_metric=[]", r"optimized_metric must name at least one of val/loss"),
        ("probe.neighbours=0", r"probe\.neighbours must be an integer >= 1; got 0"),
        ("probe.noise=0", r"probe\.noise must be a finite number > 0; got 0"),
        ("probe.draw=frist", r"probe\.draw must be one of balanced, first; got 'frist'; did you mean first"),
        ("probe.labels=[0]", r"probe\.labels must hold integers >= 1; got 0"),
        ("+probe.neighbors=3", r"probe\.neighbors: there is no such setting; did you mean neighbours"),
        ("data.batch_size=0", r"data\.batch_size must be an integer >= 1; got 0"),
        ("data.val_fraction=0.95", r"data\.val_fraction=0\.95 and test_fraction=0\.1 leave nothing"),
        ("+data.colour=true", r"data\.colour: digits takes no settings of its own"),
        ("+model.colour=true", r"model\.colour: there is no such setting"),
        ("+model.lama=1", r"model\.lama: there is no such setting; did you mean lam"),
        ("+model.penalty.probe=2", r"model\.penalty\.probe is not .* did you mean probes"),
        ("+model.hessian.colour=2", r"model\.hessian\.colour: there is no such setting"),
        ("+lamda=5", r"there is no setting 'lamda'; did you mean model\.lam\?"),
        ("+seeds=3", r"there is no setting 'seeds'; did you mean seed\?"),
        ("+max_epochs=3", r"there is no setting 'max_epochs'; did you mean trainer\.max_epochs\?"),
        ("+foo.bar=1", r"there is no setting 'foo' \(python"),
        ("callbacks.pictrues.examples=4", r"callbacks\.pictrues names no class"),
        ("+logger.mine.name=x", r"logger\.mine names no class"),
        ("scheduler.name=StepRL", r"scheduler\.name must be one of .*; got 'StepRL'; did you mean StepLR"),
        ("+scheduler.step_size=3", r"scheduler\.name must be one of"),
        ("ckpt_path=nowhere.ckpt", r"ckpt_path: there is no file 'nowhere\.ckpt'"),
    ],
)
def test_a_mistake_names_the_full_key(override, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        check_config(composed(override))


@pytest.mark.parametrize(
    "argument",
    [
        "+trainer.max_steps=5",
        "+optimizer.nesterov=true",
        "scheduler.name=StepLR",
        "+scheduler.name=StepLR",
        "+callbacks.pictures.every_n_epochs=5",
        "callbacks.pictures.every_n_epochs=5",
        "+callbacks.mine._target_=some.Class",
        "+logger.mine._target_=some.Logger",
        "+logger.tensorboard.prefix=x",
        "+hydra.job.env_set.A=b",
    ],
)
def test_what_is_an_argument_of_a_class_of_another_library_is_let_through(argument):
    key, value = argument.lstrip("+").split("=")
    config = composed(argument)
    check_config(config)
    for word in key.split(".") if not key.startswith("hydra") else []:
        config = config[word]
    assert key.startswith("hydra") or str(config).lower() == value.lower()


def test_a_schedule_is_described_by_its_class_and_arguments():
    assert composed()["scheduler"] == {}
    assert composed("scheduler=cosine", "trainer.max_epochs=7")["scheduler"] == {
        "name": "CosineAnnealingLR",
        "T_max": 7,
    }
    chained = composed("scheduler=linear_warmup_cosine", "trainer.max_epochs=7")["scheduler"]
    assert chained["name"] == "ChainedScheduler"
    warmup, cosine = chained["schedulers"]
    assert (warmup["name"], warmup["total_iters"]) == ("LinearLR", 5)
    assert cosine == {"name": "CosineAnnealingLR", "T_max": 7}
    assert composed("scheduler=plateau")["scheduler"] == {"name": "ReduceLROnPlateau"}
    assert composed("scheduler.name=StepLR", "+scheduler.step_size=10")["scheduler"] == {
        "name": "StepLR",
        "step_size": 10,
    }


@pytest.mark.parametrize("name", ["run", "model", "trainer", "data/digits", "data/table", "data/mnist"])
def test_what_is_composed_without_arguments_are_the_defaults_of_the_dataclass(name):
    group, _, choice = name.partition("/")
    config = composed(f"data={choice}") if choice else composed()
    config = config if name == "run" else config[group]
    for field in fields(SCHEMAS[name]):
        if "build" not in field.metadata:
            assert config[field.name] == default(field), field.name


def test_no_file_repeats_a_default():
    for choice in CHOICES:
        group, name = choice.split("=")
        written = OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / group / f"{name}.yaml"))
        schema = SCHEMAS.get("model" if group == "lam" else f"{group}/{name}") or SCHEMAS.get(group)
        for field in fields(schema) if schema else ():
            # Which one it is, a choice's file says even where it is the default; and what the paper took is
            # a fact of its own.
            if field.name in written and field.name not in ("name", "kind") and choice != "lam=paper":
                assert written[field.name] != default(field), f"{choice} repeats {field.name}"
