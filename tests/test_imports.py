"""What can be imported: each module first, and without torch where nothing needs it."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
MODULES = sorted(
    ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for file in SRC.rglob("*.py")
)

# Everything from elsewhere is there already, and nothing of ours: what fails in a fork is our own order.
EACH_IN_A_FORK = """
import gc, importlib, os, sys, traceback
import hydra.core.plugins, lightning, matplotlib.figure, numpy, plotly.graph_objects, rich.table, torchvision
import pyarrow.csv, pyarrow.parquet, sklearn.linear_model, sklearn.model_selection, sklearn.neighbors
import torch.utils.tensorboard
modules = sys.argv[1:]
assert not [name for name in sys.modules if name.split(".")[0] == "contractive"]
gc.freeze()  # a fork that looks through what is there already would copy all of it
failed, running = [], {}
while modules or running:
    while modules and len(running) < os.cpu_count():
        module = modules.pop()
        if (child := os.fork()) == 0:
            try:
                importlib.import_module(module)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        running[child] = module
    child, status = os.wait()
    module = running.pop(child)
    if status:
        failed.append(module)
sys.exit(f"cannot be imported first: {failed}" if failed else 0)
"""


def needs_no_torch(module):
    """By rule: what the command line reads before it knows that the configuration is valid."""
    rooms = module.split(".")[1:]
    return (
        not rooms
        or rooms[0] in ("commands", "report")
        or rooms[-1] == "settings"
        or rooms[:2] in (["penalties", "methods"], ["data", "sources"])
        or (rooms[0] == "runs" and rooms[-1] not in ("archive", "checkpoints", "codes"))
    )


def test_every_module_can_be_the_first_one_imported():
    assert len(MODULES) > 50
    done = subprocess.run(
        [sys.executable, "-c", EACH_IN_A_FORK, *MODULES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_settings_commands_and_the_report_are_imported_without_torch(run_without_torch):
    modules = [module for module in MODULES if needs_no_torch(module)]
    assert {"contractive.commands.train", "contractive.penalties.methods.auto"} < set(modules)
    done = run_without_torch("-c", "".join(f"import {module}\n" for module in modules))
    assert done.returncode == 0, done.stderr


def test_a_process_that_a_test_starts_imports_the_tree_that_the_test_stands_in():
    code = "import contractive; print(contractive.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(SRC / "contractive" / "__init__.py")
