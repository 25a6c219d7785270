"""What an operator is told to type exists, and the files agree with each other."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import typer.main

from tracker.cli.main import app
from tracker.settings import SECRET_FILES, Settings
from tracker.web import middleware

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
FILES = [path for path in DEPLOY.rglob("*") if path.is_file()]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# In prose, in shell, and with the whole path.
CALL = re.compile(
    r"(?:as_tracker|`tracker|bin/tracker|podman exec tracker tracker|run --rm(?: -T)? admin)"
    r" ([a-z][^`\n;&|]*)"
)


def calls() -> list[list[str]]:
    """Return the words of each call of the program that some file holds."""
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    found = [match for text in texts for match in CALL.findall(text)]
    return [shlex.split(call.partition("#")[0].replace("'", "")) for call in found]


def test_every_command_named_exists_with_its_options() -> None:
    assert len(calls()) > 20
    for words in calls():
        command = COMMANDS[words[0]]
        if hasattr(command, "commands") and len(words) > 1:
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_the_way_to_the_first_digest_is_whole() -> None:
    told = {words[0] for words in calls()}
    assert {"migrate", "check", "import", "run-due", "deliver", "serve", "config"} <= told


def test_every_file_is_in_the_readme() -> None:
    assert [path.name for path in FILES if path.name not in README] in ([], ["README.md"])


def test_every_variable_named_is_a_setting() -> None:
    known = {f"TRACKER_{name.upper()}" for name in Settings.model_fields}
    known.update(SECRET_FILES.values())
    for path in FILES:
        named = re.findall(r"TRACKER_[A-Z][A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
        assert {name.partition("__")[0] for name in named} <= known, path


def test_every_number_of_a_check_is_explained() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tracker").rglob("check*/*.py"))
    code += (ROOT / "tracker" / "cli" / "check.py").read_text("utf-8")
    given = set(re.findall(r'"(T\d{3})"', code))
    assert len(given) > 20
    assert given == set(re.findall(r"T\d{3}", README))


def test_example_settings_work_in_a_shell() -> None:
    file = DEPLOY / "systemd" / "tracker.env.example"
    script = f"set -a; . {file}; env"
    done = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    lines = [line for line in file.read_text().splitlines() if line.startswith("TRACKER_")]
    assert lines
    for line in lines:
        assert line.replace("'", "") in done.stdout.splitlines()


def test_the_cron_line_is_shell() -> None:
    (line,) = [
        text
        for text in (DEPLOY / "cron" / "tracker").read_text().splitlines()
        if "*" in text.split(" ")[0:5] and not text.startswith("#")
    ]
    schedule, user, command = line.split(" ")[:5], line.split(" ")[5], line.split(" ", 6)[6]
    assert schedule == ["*/10", "*", "*", "*", "*"]
    assert user == "tracker"
    # In a crontab a % ends the command.
    assert "%" not in command
    subprocess.run(["sh", "-n", "-c", command], check=True)


def test_the_image_runs_as_its_own_user() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists()
    assert re.findall(r"^USER (\d+)", text, re.MULTILINE) == ["10001"]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11-slim-trixie"}
    assert "--require-hashes" in text
    assert '"healthcheck", "--pages"' in text


def test_the_image_has_what_the_build_reads() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    copied = {
        word for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for word in line.split()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    assert {"pyproject.toml", *needed} <= copied


def test_deploy_files_contain_no_tabs() -> None:
    for path in FILES:
        if path.name != "Caddyfile":
            assert "\t" not in path.read_text(encoding="utf-8"), path


def test_proxies_allow_what_the_tracker_accepts() -> None:
    nginx = (DEPLOY / "proxy" / "nginx.conf").read_text("utf-8")
    caddy = (DEPLOY / "proxy" / "Caddyfile").read_text("utf-8")
    sizes = re.findall(r"client_max_body_size (\d+)m;", nginx) + re.findall(
        r"max_size (\d+)MiB\n", caddy
    )
    assert len(sizes) == 2
    for size in sizes:
        assert (
            middleware.LARGEST_UPLOAD < int(size) * 1024 * 1024 <= middleware.LARGEST_UPLOAD * 1.1
        )


def test_proxies_give_up_slow_clients_and_buffer_forms() -> None:
    nginx = (DEPLOY / "proxy" / "nginx.conf").read_text("utf-8")
    caddy = (DEPLOY / "proxy" / "Caddyfile").read_text("utf-8")
    for words in ("client_header_timeout", "client_body_timeout", "limit_conn tracker_clients"):
        assert words in nginx
    for words in ("read_header", "read_body", "write", "idle", "request_buffers 64KiB"):
        assert words in caddy
    [minutes] = re.findall(r"read_body (\d+)m", caddy)
    assert int(minutes) * 60 > middleware.body_seconds(middleware.LARGEST_UPLOAD)


def test_the_unit_may_open_more_files_than_connections() -> None:
    unit = (DEPLOY / "systemd" / "tracker.service").read_text("utf-8")
    [files] = re.findall(r"^LimitNOFILE=(\d+)$", unit, re.MULTILINE)
    assert int(files) > 2 * Settings().web.connections
