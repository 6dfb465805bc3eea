"""TensorBoard on a real sweep, in a browser."""

import json
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.browser import needs_chromium, screenshot


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def dashboard(train):
    """The address of TensorBoard on a sweep of two runs."""
    sweep = train(
        "-m", "model.lam=0,0.1", "model.hidden=[16]", "trainer.max_epochs=2", "callbacks=default", to="sweep"
    )
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", sweep, "--port", str(port)]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                tags = urllib.request.urlopen(f"{address}/data/plugin/scalars/tags").read()
                if tags.count(b"test/loss") == 2:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        yield address
        process.terminate()


@needs_chromium
def test_the_dashboard_shows_what_a_sweep_logged_without_an_error(dashboard, tmp_path):
    shows = {
        "?tagFilter=reconstruction#timeseries": ["train/reconstruction", "val/reconstruction"],
        "?tagFilter=penalty#timeseries": ["train/penalty", "val/penalty", "test/penalty"],
        "?tagFilter=reconstructions|filters#timeseries": ["view/reconstructions", "view/filters"],
        "?tagFilter=spectrum|contraction_ratio|tangents#timeseries": [
            "view/spectrum",
            "view/contraction_ratio",
        ],
        "#hparams": [],  # its table lies in a shadow tree: see below
    }
    for number, (tab, words) in enumerate(shows.items()):
        # The page draws what is in view when it finds the time: on a busy machine not at the first look.
        for _ in range(4):
            visit = screenshot(f"{dashboard}/{tab}", tmp_path / f"{number}.png", wait_ms=20_000)
            errors = [line for line in visit.console if "error" in line.lower()]
            assert not errors, tab
            missing = [word for word in words if word not in visit.dom]
            if not missing:
                break
        assert not missing, tab
    request = urllib.request.Request(
        f"{dashboard}/data/plugin/hparams/experiment",
        b'{"experimentName": ""}',
        {"Content-Type": "application/json"},
    )
    compared = json.load(urllib.request.urlopen(request))
    # What is the same in all runs, and nobody asked for, has no column; what decides has one.
    columns = {info["name"] for info in compared["hparamInfos"]}
    assert columns == {"model.lam", "model.hidden", "trainer.max_epochs", "probe.enabled"}
    assert {"test/reconstruction", "test/penalty"} <= {
        info["name"]["tag"] for info in compared["metricInfos"]
    }
    # The projector too draws in a shadow tree: what it fetched tells what it shows.
    visit = screenshot(f"{dashboard}/#projector", tmp_path / "projector.png", wait_ms=20_000)
    assert not [line for line in visit.console if "error" in line.lower()]
    for part in ("tensor", "metadata", "sprite_image"):
        assert [url for url in visit.requests if f"/projector/{part}?run=" in url], part
    layout = json.load(urllib.request.urlopen(f"{dashboard}/data/plugin/custom_scalars/layout"))
    assert [chart["title"] for chart in layout["category"][0]["chart"]] == ["reconstruction", "penalty"]
