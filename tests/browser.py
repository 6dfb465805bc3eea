"""Open a page in headless Chromium and tell what it showed, printed and asked for.

Use::

    @needs_chromium
    def test_page(tmp_path):
        visit = screenshot(page.as_uri(), tmp_path / "page.png")
        assert visit.console == []
"""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"
)


@dataclass(frozen=True)
class Visit:
    """What a page did while it was open."""

    console: list[str]  # messages of the page's scripts, uncaught errors among them
    requests: list[str]  # http(s) addresses that the page itself asked for, in order
    dom: str  # the document at the end, serialised (shadow trees left out)


def screenshot(
    url: str,
    path: Path,
    *,
    size: tuple[int, int] = (1400, 1000),
    wait_ms: int = 10_000,
    dark: bool = False,
    timeout: float = 90.0,
) -> Visit:
    """Load ``url``, let it run for ``wait_ms`` of virtual time, and write what it shows to ``path`` (PNG).

    Nothing outside this machine can be reached. ``dark`` makes the page see ``prefers-color-scheme: dark``.
    """
    assert _CHROMIUM is not None, "mark the test with needs_chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        net_log = Path(profile) / "net.json"
        command = [
            _CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-unsafe-swiftshader",  # WebGL without a graphics card, for TensorBoard's projector
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
            f"--log-net-log={net_log}",
            "--enable-logging=stderr",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--virtual-time-budget={wait_ms}",
            f"--window-size={size[0]},{size[1]}",
            f"--screenshot={path}",
            "--dump-dom",
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
        requests = _requests_of_the_page(net_log)
    console = re.findall(r":INFO:CONSOLE[:(]\d+\)?\] (.*)", done.stderr)
    return Visit(console, requests, done.stdout)


def _requests_of_the_page(net_log: Path) -> list[str]:
    urls = []
    for event in json.loads(net_log.read_text())["events"]:
        request = event.get("params", {})
        # The browser's own requests (clock, updates) and the address bar have no origin.
        if request.get("initiator", "not an origin") != "not an origin" and request["url"].startswith("http"):
            urls.append(request["url"])
    return urls
