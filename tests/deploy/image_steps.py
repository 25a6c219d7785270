"""Runs the steps of the container image without an engine: ``python -m tests.deploy.image_steps``.

Each instruction of deploy/container/Containerfile runs on this machine, with the image's folders
below a scratch folder. A second stage begins with an empty one and gets only what it copies. Then
the image's own command is started, and must be healthy by the image's own health check. The user of
the image, its Debian packages, and the limits of a container are the engine's work and are not
tried. Needs Python 3.11 and the package registry that pip is set to; takes a minute or two.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "deploy" / "container" / "Containerfile"
# The image's folders; a URL has a slash before the one that begins the path.
_PLACES = re.compile(r"(?<![\w.])/(?=(?:opt|src|tmp|var)(?:/|\b))")
_HEALTHY_SECONDS = 120
_PORT = "8000"


def read_instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction and its arguments, with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, arguments = line.partition(" ")
        yield name, arguments.strip()


@dataclass
class Image:
    """What the instructions have made so far, below ``folder``."""

    folder: Path
    port: str
    workdir: str = "/"
    stages: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where the folders of the stage are."""
        return self.folder / "root"

    def place(self, text: str) -> str:
        """A text of the image with its paths as they are on this machine."""
        return _PLACES.sub(f"{self.root}/", text).replace(_PORT, self.port)

    def follow(self, name: str, arguments: str) -> None:
        """Follow an instruction. What only an engine can do is left out.

        That is USER, VOLUME, and EXPOSE, and the packages of the image's Debian: this machine may
        have another, and is not changed.
        """
        if name == "FROM":
            self._begin_stage(arguments)
        elif name == "WORKDIR":
            self.workdir = arguments
            Path(self.place(self.workdir)).mkdir(parents=True, exist_ok=True)
        elif name == "ENV":
            for variable, value in re.findall(r"(\w+)=(\S+)", arguments):
                path = self.environment.get("PATH", "")
                self.environment[variable] = self.place(value).replace("$PATH", path)
        elif name == "COPY":
            self._copy(arguments.split())
        elif name == "RUN" and not arguments.startswith("apt-get "):
            # The user exists in the image only.
            command = re.sub(r"^useradd .*? && |-o tracker -g tracker ", "", arguments)
            self.run(["sh", "-euc", self.place(command)])
        elif name == "HEALTHCHECK":
            self.commands[name] = json.loads(self.place(arguments.partition("CMD ")[2]))
        elif name in {"ENTRYPOINT", "CMD"}:
            self.commands[name] = json.loads(arguments)
        elif name not in {"RUN", "USER", "VOLUME", "EXPOSE"}:
            raise AssertionError(f"unknown instruction: {name}")

    def run(self, command: list[str]) -> None:
        """Run a command in the image; a failure ends all."""
        folder = self.place(self.workdir)
        subprocess.run(command, cwd=folder, env=self.environment, check=True)

    def _begin_stage(self, arguments: str) -> None:
        base, _, stage = arguments.partition(" AS ")
        assert base.startswith("python:3.11"), base
        if self.stages:
            self.root.rename(self.folder / self.stages[-1])
        self.stages.append(stage or "last")
        self.root.mkdir()
        (self.root / "tmp").mkdir()
        self.workdir = "/tmp"  # noqa: S108 - the image's
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        path = f"{self.folder / 'base'}:/usr/bin:/bin"
        self.environment = {**kept, "PATH": path, "HOME": str(self.folder)}

    def _copy(self, words: list[str]) -> None:
        source_root = ROOT
        if words[0].startswith("--from="):
            source_root = self.folder / words.pop(0).removeprefix("--from=")
        *sources, target = words
        into = Path(self.place(target)) if target.startswith("/") else self._below(target)
        for source in sources:
            found = source_root / source.removeprefix("/")
            if found.is_dir():
                shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, into)

    def _below(self, target: str) -> Path:
        return Path(self.place(self.workdir)) / target


def wait_until_healthy(image: Image, server: "subprocess.Popen[bytes]") -> None:
    """Ask the image's own health check until it is content."""
    check = [
        "timeout",
        str(_HEALTHY_SECONDS),
        "sh",
        "-c",
        'until "$@" 2>/dev/null; do sleep 0.5; done',
        "-",
    ]
    image.run([*check, *image.commands["HEALTHCHECK"]])
    assert server.poll() is None, "the server has ended"


def main() -> None:
    """Follow the file, start what it starts, and wait until it is healthy."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        folder, port = Path(name), str(reserved.getsockname()[1])
        reserved.close()
        (folder / "base").mkdir()
        (folder / "base" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
        image = Image(folder, port)
        for instruction, arguments in read_instructions(CONTAINERFILE.read_text("utf-8")):
            sys.stdout.write(f"{instruction} {arguments}\n")
            sys.stdout.flush()
            image.follow(instruction, arguments)
        entry = image.commands["ENTRYPOINT"]
        image.run([*entry, "migrate"])
        serve = [*entry, *image.commands["CMD"]]
        folder_of_data = image.place(image.workdir)
        with subprocess.Popen(serve, cwd=folder_of_data, env=image.environment) as server:
            try:
                wait_until_healthy(image, server)
            finally:
                server.terminate()
        assert server.returncode in {0, -15}, server.returncode
        sys.stdout.write("The image's steps work, and its command is healthy.\n")


if __name__ == "__main__":
    main()
