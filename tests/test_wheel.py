"""The wheel works by itself: away from the checkout, with its own templates and rulebooks."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command to its end; give what it printed, and fail with it."""
    # Nothing of the checkout may leak in, be it a setting or an import path.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TRACKER_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=cwd, env=clean, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of an environment that has the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(*pip_for(python), "install", "--no-deps", "--no-index", wheel)
    # The dependencies are borrowed, so that no network is needed. A path in a .pth file comes
    # after the environment's own, and the .pth of our editable install in it is not followed.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return folder / "bin"


def pip_for(python: Path) -> list[str | Path]:
    """Return pip's command line: ours has none, the Python that made ours does."""
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    return [base, "-m", "pip", "--python", python]


def test_the_wheel_carries_every_template_rulebook_and_migration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for source, target in [
        ("templates", "tracker/_bundled/templates"),
        ("config", "tracker/_bundled/config"),
        ("tracker/db/migrations", "tracker/db/migrations"),
    ]:
        folder = ROOT / source
        files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        assert files
        assert {f"{target}/{p.relative_to(folder).as_posix()}" for p in files} <= names


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tracker"}


def test_the_installed_command_explains_itself(installed: Path, tmp_path: Path) -> None:
    assert "Usage" in run(installed / "tracker", "--help", cwd=tmp_path)


def test_the_installed_command_finds_its_rulebooks(installed: Path, tmp_path: Path) -> None:
    run(installed / "tracker", "rules", "check", cwd=tmp_path)


def test_the_installed_package_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import tracker; print(tracker.__file__)", cwd=tmp_path)
    assert not Path(where).is_relative_to(ROOT)
