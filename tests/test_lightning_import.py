"""Lightning without torchvision."""

import os
import subprocess
import sys


def test_digits_train_where_torchvision_does_not_load(tmp_path):
    broken = tmp_path / "torchvision"
    broken.mkdir()
    (broken / "__init__.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    command = [sys.executable, "train.py", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}/run"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "metrics.json").is_file()
