"""Whatever goes wrong, in one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from contractive.commands.errors import one_line

ROOT = Path(__file__).parents[2]
SETTINGS = {"model": {"hidden": [10, 1_000_000], "penalty": {"probes": 3}}, "data": {"batch_size": 64}}


def too_much_of_torch():
    torch.empty(2**60, dtype=torch.float32)


def too_much_of_numpy():
    np.empty(2**60, dtype=np.float32)


@pytest.mark.parametrize("ask", [too_much_of_torch, too_much_of_numpy])
def test_a_lack_of_memory_names_the_size_and_the_setting_that_is_most_unusual(ask):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        ask()
    said = "error: there is not enough memory (4 EiB more were asked for)"
    assert one_line(caught.value) == said
    assert one_line(caught.value, OmegaConf.create(SETTINGS)) == f"{said}: lower model.hidden=[10,1000000]"


def test_that_of_a_gpu_too():
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total …")
    settings = OmegaConf.merge(SETTINGS, {"model": {"penalty": {"probes": 100_000}}})
    said = "error: there is not enough memory (20 GiB more were asked for): lower model.penalty.probes=100000"
    assert one_line(error, settings) == said


def run(*arguments, python_path=(), **environment):
    """``python train.py …`` where importing torch is a mistake."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        env={
            **os.environ,
            "HYDRA_FULL_ERROR": "0",
            "PYTHONPATH": os.pathsep.join([*map(str, python_path), str(ROOT / "src")]),
        }
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plugin_that_breaks_hydra_is_named(tmp_path):
    plugin = tmp_path / "hydra_plugins" / "hydra_bad_sweeper"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text("raise ValueError('mutable default\\n is not allowed')")
    done = run("model.lam=1", python_path=[tmp_path])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: the Hydra plugin hydra-bad-sweeper breaks Hydra (ValueError: mutable default is not allowed):"
        " uninstall it: pip uninstall hydra-bad-sweeper\n"
    )


def test_a_working_directory_that_is_gone_is_told(tmp_path):
    (tmp_path / "gone").mkdir()
    code = (
        f"import os, runpy, sys; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir({str(tmp_path / 'gone')!r});"
    )
    code += f"sys.argv = ['train.py']; sys.path[:0] = [{str(ROOT / 'src')!r}];"
    code += f"runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the working directory is not there any more")
    assert len(done.stderr.splitlines()) == 1


def test_an_output_of_another_encoding_is_no_reason_to_fail():
    done = run("data=table", "data.path=/ü→", "--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "data.path=/\\xfc\\u2192" in done.stdout
