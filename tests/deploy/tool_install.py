"""The long form of tests/test_wheel.py: the wheel as a tool of uv and pipx, with its demo.

``python -m tests.deploy.tool_install`` builds the wheel, installs it with each of the two (from the
package registry that they are set to), starts ``tracker demo --port 0`` in an empty folder, and
fetches its first page. ``uvx`` runs a pipx if none is installed. A few minutes; needs uv.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

ROOT = Path(__file__).parents[2]
_TIMEOUT_SECONDS = 600
_ADDRESS = re.compile(r"https?://[\w.:\[\]]+")


def main() -> None:
    """Try both; the first failure ends it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TRACKER_", "PYTHON"))
        }
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, env=clean)
        [wheel] = folder.glob("*.whl")
        uv = {"UV_TOOL_DIR": str(folder / "uv"), "UV_TOOL_BIN_DIR": str(folder / "uv-bin")}
        pipx = {"PIPX_HOME": str(folder / "pipx"), "PIPX_BIN_DIR": str(folder / "pipx-bin")}
        own_pipx = ["pipx"] if shutil.which("pipx") else ["uvx", "pipx"]
        for name, command, places in (
            ("uv", ["uv", "tool", "install"], uv),
            ("pipx", [*own_pipx, "install"], pipx),
        ):
            python = ["--python", sys.executable, str(wheel)]
            subprocess.run([*command, *python], check=True, env=clean | places)
            empty = folder / f"{name}-empty"
            empty.mkdir()
            try_demo(folder / f"{name}-bin" / "tracker", empty, clean)
            sys.stdout.write(f"{name}: the installed demo answers\n")


def try_demo(tracker: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Start the demo, fetch its first page, and stop it with Ctrl-C. It leaves no file."""
    demo = subprocess.Popen(
        [tracker, "demo", "--port", "0"],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert demo.stdout is not None
        printed = []
        for line in demo.stdout:
            printed.append(line)
            if found := _ADDRESS.search(line):
                answer = _open_session().get(found[0], timeout=60)
                assert answer.status_code == requests.codes.ok
                assert "Sign in" in answer.text
                break
        else:
            raise AssertionError("".join(printed))
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=_TIMEOUT_SECONDS)
    assert list(folder.iterdir()) == []


def _open_session() -> requests.Session:
    """The demo prints its address a moment before it answers there."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(connect=10, backoff_factor=0.2)))
    return session


if __name__ == "__main__":
    main()
