"""config/README.md names every key that a file may hold, and its examples work."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tracker.rulebooks import load_notice_config, load_rulebooks
from tracker.rules.model import Organizations, Rulebook
from tracker.rules.notice_config import NoticeConfig
from tracker.settings import Settings

CONFIG = Path(__file__).parents[2] / "config"
README = (CONFIG / "README.md").read_text(encoding="utf-8")
WORD = re.compile(r"\w+")
EXAMPLES = re.findall(r"### ([^\n]+)\n(.*?)(?=\n### |\Z)", README, re.DOTALL)


def keys(model: type[BaseModel]) -> Iterator[str]:
    """Each key of a model and of the models within, as a file spells it."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for part in models(field.annotation):
            yield from keys(part)


def models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


@pytest.mark.parametrize("model", [Settings, NoticeConfig, Organizations, Rulebook])
def test_every_key_is_described(model: type[BaseModel]) -> None:
    found = set(keys(model))
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    described = {word for code in re.findall(r"`([^`\n]+)`", prose) for word in WORD.findall(code)}
    assert found - described == set()


def test_every_setting_is_described_with_its_variable() -> None:
    for name, field in Settings.model_fields.items():
        parts = list(models(field.annotation))
        nested = name != "coordinators" and parts
        inner = [f"__{key.upper()}" for key in parts[0].model_fields] if nested else [""]
        for suffix in inner:
            assert f"`TRACKER_{name.upper()}{suffix}`" in README


def test_the_defaults_told_are_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    settings = Settings()
    for table, part in (
        ("schedule", settings.schedule),
        ("mail", settings.mail),
        ("web", settings.web),
    ):
        for key, value in part:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            shown = str([*value]) if isinstance(value, tuple) else shown
            shown = "none" if value is None else f"`{shown}`"
            line = next(
                line for line in README.splitlines() if line.startswith(f"| `[{table}] {key}`")
            )
            assert f"| {shown} |" in line
    assert NoticeConfig().too_late_after_days == 60
    assert NoticeConfig().digest.most_people == 12
    assert NoticeConfig().provider_cutoff.used_within_months == 12


def test_the_file_of_settings_changes_no_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    defaults = Settings()
    shutil.copy(CONFIG / "tracker.toml", tmp_path)
    assert Settings() == defaults


def test_the_file_of_settings_shows_every_default_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    defaults = Settings()
    text = (CONFIG / "tracker.toml").read_text()
    (tmp_path / "tracker.toml").write_text(re.sub(r"(?m)^#(?=\w+ = |\[)", "", text))
    shown = Settings()
    assert shown.coordinators
    assert shown.judge_renewals_due_from
    unset = {"coordinators", "judge_renewals_due_from"}
    assert shown.model_dump(exclude=unset) == defaults.model_dump(exclude=unset)
    toml = tomllib.loads((tmp_path / "tracker.toml").read_text())
    for table in ("mail", "schedule", "web"):
        # A secret is in no file, and the default of the name is the machine's own.
        not_shown = {"metrics_token", "ehlo_name"}
        assert toml[table].keys() == dict(getattr(defaults, table)).keys() - not_shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of config/ to change."""
    return shutil.copytree(CONFIG, tmp_path / "config")


def blocks(title: str) -> list[str]:
    (body,) = [body for heading, body in EXAMPLES if heading == title]
    return re.findall(r"```toml\n(.*?)```", body, re.DOTALL)


def add(file: Path, text: str) -> None:
    file.write_text(f"{file.read_text()}\n{text}")


def add_value(file: Path, requirement: str, text: str) -> None:
    """Put a value behind those of a requirement."""
    parts = file.read_text().split("[[requirements]]\n")
    (index,) = [i for i, part in enumerate(parts) if part.startswith(f'id = "{requirement}"\n')]
    # Behind the last one there are interpretations.
    own, mark, rest = parts[index].partition("[[interpretations]]")
    parts[index] = f"{own}\n{text}\n{mark}{rest}"
    file.write_text("[[requirements]]\n".join(parts))


def test_the_example_of_settings_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    (example,) = re.findall(r"```toml\n(base_url.*?)```", README, re.DOTALL)
    (tmp_path / "tracker.toml").write_text(example)
    assert Settings().coordinators[0].association == "NCIMHA"


def test_an_interpretation_is_changed(folder: Path) -> None:
    (example,) = blocks("Change an interpretation")
    parts = tomllib.loads(example)
    file = folder / "rulebooks" / "ct-aimh.toml"
    (accepted,) = parts["providers"]["ifs-rsc"]["accepts"]
    old = tomllib.loads(file.read_text())["providers"]["ifs-rsc"]["accepts"][2]
    assert {**old, "until": accepted["until"]} == accepted
    head, _, tail = file.read_text().partition('[[interpretations]]\nid = "april-2024"')
    _, mark, rest = tail.partition("[[interpretations]]")
    new = example[example.index("[[interpretations]]") :]
    file.write_text(f"{head}{new}{mark}{rest}")
    rulebook = load_rulebooks(folder).associations["CT-AIMH"]
    assert rulebook.interpretations[0].taken.startswith("Only the time before")


def test_an_association_is_added(folder: Path) -> None:
    rulebook, organization = blocks("Add an association")
    (folder / "rulebooks" / "example.toml").write_text(rulebook)
    add(folder / "organizations.toml", organization)
    rulebooks = load_rulebooks(folder)
    assert rulebooks.accepted_organizations("EXAMPLE/own") == ("EXAMPLE",)


def test_a_three_year_cycle_is_added(folder: Path) -> None:
    cycle, value = blocks("Change to a three-year cycle")
    file = folder / "rulebooks" / "ncimha.toml"
    add(file, cycle)
    add_value(file, "training", value)
    rulebook = load_rulebooks(folder).associations["NCIMHA"]
    assert [scheme.years for scheme in rulebook.cycles] == [1, 3]
    assert [value.hours for value in rulebook.requirements[0].values] == [15, 45]


def test_a_requirement_is_ended(folder: Path) -> None:
    (value,) = blocks("End a requirement")
    add_value(folder / "rulebooks" / "ncimha.toml", "training.deia", value)
    rulebook = load_rulebooks(folder).associations["NCIMHA"]
    assert [value.asked for value in rulebook.requirements[1].values] == [True, False]


def test_a_topic_is_added(folder: Path) -> None:
    (requirement,) = blocks("Add a topic")
    add(folder / "rulebooks" / "ncimha.toml", requirement)
    assert "ETHICS" in load_rulebooks(folder).topics


def test_formats_caps_and_yearly_hours_are_added(folder: Path) -> None:
    cycle, training = blocks("Change to a three-year cycle")
    spread, rsc_caps, training_cap = blocks("Count session formats, limit hours, and spread them")
    file = folder / "rulebooks" / "ncimha.toml"
    add(file, cycle)
    add_value(file, "training", training + training_cap)
    add_value(file, "rsc", training.replace("45", "36") + rsc_caps)
    add(file, spread)
    plan = load_rulebooks(folder).plan("NCIMHA", "IFS", date(2020, 5, 1), date(2028, 1, 1))
    assert plan is not None
    amounts = {r.id: (r.amount, [cap.minutes for cap in r.caps]) for r in plan.requirements}
    assert amounts["training"] == (45 * 60, [15 * 60])
    assert amounts["rsc"] == (36 * 60, [6 * 60, 12 * 60])
    assert amounts["rsc.yearly.3"] == (9 * 60, [])
    assert amounts["rsc.months"] == (18, [])


def test_every_worked_example_is_tried() -> None:
    assert len(EXAMPLES) == 7


def test_the_notices_that_are_shipped_are_right() -> None:
    assert load_notice_config(CONFIG).renewal.before
