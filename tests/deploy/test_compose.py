"""The compose files are right by the specification, and fit the image and the program."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import typer.main
import yaml

from tracker.cli.main import app
from tracker.settings import SECRET_FILES, Settings

CONTAINER = Path(__file__).parents[2] / "deploy" / "container"
# Of docker-compose 1.29.2 (Apache License 2.0), the latest that a package registry has.
SCHEMA = json.loads((Path(__file__).parent / "compose_spec.json").read_text("utf-8"))
FILES = sorted(CONTAINER.glob("compose*.yaml"))
IMAGE = (CONTAINER / "Containerfile").read_text("utf-8")
# `tracker worker` comes with an extra.
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]

README = (CONTAINER.parent / "README.md").read_text("utf-8")

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return content


def own_services(file: Path) -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {
        name: service
        for name, service in read(file)["services"].items()
        if service["image"] == "tracker"
    }


def test_there_is_a_file_for_each_database() -> None:
    assert [file.name for file in FILES] == ["compose.postgresql.yaml", "compose.yaml"]
    assert set(own_services(FILES[0])) == {"migrate", "web", "worker", "admin"}
    assert set(own_services(FILES[1])) == {"tracker", "admin"}


@each_file
def test_it_follows_the_specification(file: Path) -> None:
    assert [
        str(error) for error in jsonschema_rs.validator_for(SCHEMA).iter_errors(read(file))
    ] == []


def test_the_specification_finds_a_mistake() -> None:
    assert not jsonschema_rs.is_valid(SCHEMA, {"services": {"x": {"imge": "y"}}})


@each_file
def test_what_a_service_names_is_there(file: Path) -> None:
    content = read(file)
    for service in content["services"].values():
        assert set(service.get("secrets", ())) <= content["secrets"].keys()
        assert set(service["networks"]) <= content["networks"].keys()
        assert set(service.get("depends_on", ())) <= content["services"].keys()
        sources = {volume.rpartition(":/")[0].partition(":/")[0] for volume in service["volumes"]}
        named = {source for source in sources if source.isalpha()}
        assert named <= content["volumes"].keys()
        assert set(service.get("command", ())) <= COMMANDS or service["image"] != "tracker"
        if "build" in service:
            context = CONTAINER / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()


@each_file
def test_our_services_may_do_little(file: Path) -> None:
    for service in own_services(file).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


@each_file
def test_secrets_come_as_files_and_only_once(file: Path) -> None:
    image = dict(re.findall(r"(TRACKER_\w+)=(\S+)", IMAGE))
    known = {f"TRACKER_{name.upper()}" for name in Settings.model_fields}
    in_files = {*SECRET_FILES.values(), "TRACKER_MASTER_KEY_FILE"}
    for service in own_services(file).values():
        variables = image | service["environment"]
        for name, value in variables.items():
            assert name in in_files or name.partition("__")[0] in known
            if name in in_files:
                assert value.removeprefix("/run/secrets/") in service["secrets"]
                # An empty variable counts as not set.
                assert not variables.get(name.removesuffix("_FILE"))


@each_file
def test_only_the_way_in_is_a_trusted_proxy(file: Path) -> None:
    content = read(file)
    [network] = content["networks"]["tracker"]["ipam"]["config"]
    gateway = ipaddress.ip_address(network["gateway"])
    assert gateway in ipaddress.ip_network(network["subnet"])
    for service in own_services(file).values():
        trusted = service["environment"].get("TRACKER_WEB__TRUSTED_PROXIES", "[]")
        assert json.loads(trusted) == ([str(gateway)] if "ports" in service else [])


def test_pages_on_postgresql_leave_the_jobs_to_workers() -> None:
    services = read(CONTAINER / "compose.postgresql.yaml")["services"]
    assert services["web"]["environment"]["TRACKER_WEB__JOBS"] == "false"
    for name in ("web", "worker"):
        condition = services[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"
    assert services["migrate"]["restart"] == "no"


def test_the_image_can_back_up_the_server() -> None:
    [client] = re.findall(r"\bpostgresql-client-(\d+)", IMAGE)
    server = read(CONTAINER / "compose.postgresql.yaml")["services"]["database"]["image"]
    [version] = re.findall(r"^postgres:(\d+)-", server)
    # pg_dump refuses a server that is newer than itself.
    assert int(client) >= int(version)


@each_file
def test_only_the_admin_reaches_the_backups(file: Path) -> None:
    services = own_services(file)
    mounted = {
        name
        for name, service in services.items()
        if any(volume.endswith(":/var/backups/tracker") for volume in service["volumes"])
    }
    assert mounted == {"admin"}
    # `up` starts only services without a profile.
    assert services["admin"]["profiles"] == ["admin"]


@each_file
def test_the_admin_works_with_the_same_data(file: Path) -> None:
    services = own_services(file)
    admin = services.pop("admin")
    for service in services.values():
        assert set(service["volumes"]) <= set(admin["volumes"])
        assert admin["environment"].items() <= service["environment"].items()


def test_the_commands_of_the_readme_name_services() -> None:
    services = {name for file in FILES for name in read(file)["services"]}
    stopped = re.findall(r"^compose stop ([\w ]+?)(?: {2,}#.*)?$", README, re.MULTILINE)
    assert {name for names in stopped for name in names.split()} <= services
    called = re.findall(r"\b(?:run|exec)(?: -\S+(?: sh)?)* (admin|database|web|tracker)\b", README)
    assert set(stopped) == {"tracker", "web worker"}
    assert {"admin", "database"} <= set(called) <= services
