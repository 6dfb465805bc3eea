"""The one program and its commands."""

import sys
from importlib.metadata import version
from io import BytesIO, TextIOWrapper
from pkgutil import resolve_name

import pytest

from contractive.commands.program import COMMANDS, main

RUN = "from contractive.commands.program import main; main()"


@pytest.fixture
def program(monkeypatch):
    def program(*arguments):
        monkeypatch.setattr(sys, "argv", ["contractive", *arguments])
        main()

    return program


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_its_help_lists_every_command(program, capsys, arguments):
    program(*arguments)
    shown = capsys.readouterr().out
    for name, (_, does) in COMMANDS.items():
        assert f"  contractive {name} " in shown and does in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_its_version_is_that_of_the_package(program, capsys):
    program("--version")
    assert capsys.readouterr().out == f"contractive {version('contractive')}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [("trian", "there is no command 'trian'; did you mean train?"), ("x", "'x'; there are train, finetune")],
)
def test_a_wrong_name_is_told_with_the_nearest(program, name, said):
    with pytest.raises(SystemExit) as left:
        program(name)
    assert said in left.value.code


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("train", "finetune")])
def test_the_help_of_a_command_waits_for_neither_torch_nor_hydra(name, run_without_torch):
    done = run_without_torch("-X", "importtime", "-c", RUN, name, "--help")
    assert done.returncode == 0
    assert "contractive.commands" in done.stderr and "hydra" not in done.stderr
    assert f"usage: contractive {name} " in done.stdout


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("train", "finetune")])
def test_a_mistake_in_the_arguments_is_one_line(program, name):
    with pytest.raises(SystemExit, match=r"^error: .*--nonsense.*\(contractive \w+ --help says how\)$"):
        program(name, "a", "--nonsense", "-o", "x")


@pytest.mark.parametrize(
    "arguments",
    [["train", "model.lamb=1"], ["model.lamb=1"], ["-m", "model.lamb=1"], ["finetune", "model.lamb=1"]],
)
def test_settings_go_to_training_whether_it_is_named_or_not(arguments, run_without_torch):
    done = run_without_torch("-c", RUN, *arguments)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "error: there is no setting 'model.lamb'; did you mean model.lam?"
        + (done.stderr.strip().partition("?")[2])
    )


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (ValueError("a\nb"), "error: a b"), (OSError("c"), "error: c")],
)
def test_an_error_is_one_line_and_ctrl_c_none(program, monkeypatch, raised, code):
    def fail():
        raise raised

    monkeypatch.setattr("contractive.commands.report.main", fail)
    monkeypatch.setattr("contractive.commands.train.FULL_ERROR", False)
    with pytest.raises(SystemExit) as left:
        program("report", "x")
    assert left.value.code == code


def test_the_further_processes_of_a_run_find_training_by_the_arguments_that_are_left(program, monkeypatch):
    seen = []
    monkeypatch.setattr("contractive.commands.train.main_or_one_line", lambda: seen.append(sys.argv))
    program("train", "seed=1")
    program("seed=1", 'hydra.run.dir="x"')
    assert seen == [["contractive", "seed=1"], ["contractive", "seed=1", 'hydra.run.dir="x"']]


def test_a_shim_keeps_its_arguments(monkeypatch):
    seen = []
    monkeypatch.setattr("contractive.commands.report.main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr(sys, "argv", ["report.py", "outputs"])
    main("report")
    assert seen == [["report.py", "outputs"]]


def test_what_the_terminal_cannot_show_is_no_reason_to_fail(program, monkeypatch):
    narrow = TextIOWrapper(BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr("contractive.commands.report.main", lambda: print("‖J‖²", flush=True))
    program("report", "x")
    assert narrow.buffer.getvalue() == rb"\u2016J\u2016\xb2" + b"\n"


def test_every_command_is_there():
    assert all(callable(resolve_name(f"contractive.commands.{where}")) for where, _ in COMMANDS.values())
