"""The units are right by systemd's own judgment, and keep the rest of the machine out of reach.

`systemd-analyze verify` wants the programs that a unit starts to exist. So it judges copies in
which /opt/tracker/bin/tracker is replaced by a file that does.
"""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(path for path in SYSTEMD.iterdir() if path.suffix in {".service", ".timer"})
SERVICES = [path for path in UNITS if path.suffix == ".service"]
PROGRAM = "/opt/tracker/bin/tracker"
MOST_EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="UNITS WERE NOT VERIFIED: no systemd-analyze (apt-get install systemd)",
)


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def settings(unit: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(unit.read_text(encoding="utf-8"))
    return parser


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    stub = tmp_path / "stub"
    stub.write_text("#!/bin/sh\n")
    stub.chmod(0o755)
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace(PROGRAM, str(stub)))
    copies = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *copies],
        check=False,
        capture_output=True,
        text=True,
    )
    # Only what is said of ours: a machine has units of its own.
    said = [line for line in done.stderr.splitlines() if "tracker" in line or str(tmp_path) in line]
    assert said == []
    assert done.returncode == 0, done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=names(SERVICES))
def test_a_service_is_little_exposed(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= MOST_EXPOSURE


@pytest.mark.parametrize("unit", UNITS, ids=names(UNITS))
def test_a_unit_can_be_read(unit: Path) -> None:
    assert settings(unit).has_option("Unit", "Description")


def test_all_units_share_user_and_settings() -> None:
    shared = ("User", "Group", "StateDirectory", "EnvironmentFile", "UMask")
    units = [dict(settings(unit).items("Service")) for unit in SERVICES]
    assert len({tuple(unit[key] for key in shared) for unit in units}) == 1
    # A worker has no database but the one in the file of settings: SQLite is not for it.
    databases = {path.name: unit["Environment"] for path, unit in zip(SERVICES, units, strict=True)}
    assert databases["tracker.service"] == databases["tracker-run-due.service"]
    assert "sqlite" not in databases["tracker-worker.service"]


@pytest.mark.parametrize("name", ["tracker.service", "tracker-worker.service"])
def test_a_service_outlasts_a_database_that_is_away(name: str) -> None:
    unit = settings(SYSTEMD / name)
    # A start without the database fails: systemd would give up after a few of them.
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] in {"always", "on-failure"}


def test_the_timer_ticks_its_service_and_catches_up() -> None:
    timer = settings(SYSTEMD / "tracker-run-due.timer")
    assert timer.get("Timer", "Persistent") == "true"
    assert not timer.has_option("Timer", "Unit")
    assert (SYSTEMD / "tracker-run-due.service").is_file()


def test_waiting_mail_leaves_though_run_due_fails(tmp_path: Path) -> None:
    command = settings(SYSTEMD / "tracker-run-due.service").get("Service", "ExecStart")
    program = tmp_path / "tracker"
    program.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/called\ntest "$1" != run-due\n')
    program.chmod(0o755)
    script = command.removeprefix("/bin/sh -c ").strip("'").replace("$$", "$")
    done = subprocess.run(["/bin/sh", "-c", script.replace(PROGRAM, str(program))], check=False)
    assert (tmp_path / "called").read_text().split() == ["run-due", "deliver"]
    assert done.returncode == 1
