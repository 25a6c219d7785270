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

from tests.support.logos import make_png
from tracker.rulebooks import Rulebooks, load_notice_configs, load_rulebooks
from tracker.rules.absences import find_effect, reduce_amount
from tracker.rules.cycles import common_cycle
from tracker.rules.membership import MembershipRule
from tracker.rules.model import Organizations, Rulebook
from tracker.rules.notice_config import NoticeConfig, NoticesFile
from tracker.rules.standing import Absence
from tracker.services.absence_limits import check_limits
from tracker.services.endorsements import Endorsed
from tracker.settings import Settings, load_settings

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


@pytest.mark.parametrize("model", [Settings, NoticesFile, Organizations, Rulebook])
def test_every_key_is_described(model: type[BaseModel]) -> None:
    found = set(keys(model))
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    described = {word for code in re.findall(r"`([^`\n]+)`", prose) for word in WORD.findall(code)}
    assert found - described == set()


def test_every_setting_is_described_with_its_variable() -> None:
    for variable in variables(Settings, "TRACKER_"):
        assert f"`{variable}`" in README


def variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """The variables of a model's settings, and of those within them."""
    for name, field in model.model_fields.items():
        parts = list(models(field.annotation))
        if parts and name not in {"coordinators", "associations"}:
            yield from variables(parts[0], f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}"


def test_the_defaults_told_are_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    settings = Settings()
    for table, part in (
        ("schedule", settings.schedule),
        ("mail", settings.mail),
        ("mail.bounces", settings.mail.bounces),
        ("web", settings.web),
        ("worker", settings.worker),
    ):
        for key, value in part:
            if isinstance(value, BaseModel):
                continue
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
    assert shown.associations
    unset = {"coordinators", "judge_renewals_due_from", "associations"}
    assert shown.model_dump(exclude=unset) == defaults.model_dump(exclude=unset)
    toml = tomllib.loads((tmp_path / "tracker.toml").read_text())
    # A secret is in no file, and the default of the name is the machine's own.
    not_shown = {"metrics_token", "ehlo_name", "address", "mailbox"}
    for table in ("mail", "schedule", "web", "worker"):
        assert toml[table].keys() == dict(getattr(defaults, table)).keys() - not_shown
    assert toml["mail"]["bounces"].keys() == dict(defaults.mail.bounces).keys() - not_shown


def test_an_association_can_have_its_own_settings_and_notices(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_text, notices_text = blocks("Give an association its own schedule, sender, and steps")
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(folder))
    add(folder / "tracker.toml", settings_text)
    add(folder / "notices.toml", notices_text)
    settings = Settings()
    assert settings.schedule_of("NCIMHA").digest_on == "thursday"
    assert settings.schedule_of("CT-AIMH") == settings.schedule
    assert settings.mail_of("NCIMHA").sender_mailbox.address == "renewals@ncimha.example.org"
    configs = load_notice_configs(folder, ("NCIMHA", "CT-AIMH"))
    assert configs.of("NCIMHA").renewal.before == (60, 30, 10)
    assert configs.of("NCIMHA").renewal.after == configs.of("CT-AIMH").renewal.after


def test_an_association_can_have_its_own_look(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = blocks("Give an association its own name, color, and logo")
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(folder))
    add(folder / "tracker.toml", example)
    (folder / "logos").mkdir()
    (folder / "logos" / "ncimha.png").write_bytes(make_png())
    look = load_settings().read_look("NCIMHA")
    assert look is not None
    assert (look.branding.name, look.logo is not None) == ("NCIMHA endorsement", True)


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


def test_other_providers_are_accepted(folder: Path) -> None:
    rulebook, organization = blocks("Add an association")
    (accepts,) = blocks("Accept other associations' providers, and experienced ones")
    head, _, rest = rulebook.partition("[[providers.rsc.accepts]]")
    _, mark, tail = rest.partition("[memberships.own]")
    categories = '"IFRS" = { name = "Supervisor" }\n"IMHM-C" = { name = "Mentor" }\n'
    text = f"{head}{accepts}{mark}{tail}".replace("[documents]", f"{categories}[documents]")
    (folder / "rulebooks" / "example.toml").write_text(text)
    add(folder / "organizations.toml", organization)
    _, rule = load_rulebooks(folder).provider_rules["EXAMPLE/rsc"]
    assert [each.held_years for each in rule.accepts] == [None, 3]


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


def test_a_renewal_is_submitted(folder: Path) -> None:
    file = folder / "rulebooks" / "ncimha.toml"
    (text,) = blocks("Let endorsees submit their renewals, and attest to hours")
    statements, mark, rest = text.partition("[[requirements]]")
    (hours,) = (line for line in statements.splitlines() if line.startswith("hours"))
    words = file.read_text().replace("[attestations]", f"[attestations]\n{hours}", 1)
    file.write_text(words)
    own = (mark + rest).replace("2027-10-01", "2028-01-01").replace('"scheme"', '"ifs"')
    own = own.replace('"Renewal"', '"Continuing endorsement: Education & Training"')
    add(file, own.replace('id = "training"', 'id = "training.attested"'))
    plan = load_rulebooks(folder).plan("NCIMHA", "IFS", date(2020, 1, 1), date(2028, 6, 1))
    assert plan is not None
    assert plan.is_submitted
    assert set(plan.statements) == {"ethics", "hours"}


def test_the_first_cycle_is_changed(folder: Path) -> None:
    (keys,) = blocks("Change what the first cycle requires")
    file = folder / "rulebooks" / "ncimha.toml"
    text = file.read_text()
    assert text.count('first_cycle = "no hours"\n') == 1
    file.write_text(text.replace('first_cycle = "no hours"\n', keys))
    scheme = load_rulebooks(folder).associations["NCIMHA"].cycles[0]
    assert [row.months for row in scheme.first_cycle_shares] == [3, 6, 9, 12]


def test_three_years_held_require_fewer_hours(folder: Path) -> None:
    keys, value = blocks("Fewer hours after three years")
    file = folder / "rulebooks" / "ncimha.toml"
    text = file.read_text()
    file.write_text(text.replace('first_cycle = "no hours"\n', f'first_cycle = "no hours"\n{keys}'))
    add_value(file, "rsc", value)
    rulebooks = load_rulebooks(folder)
    plans = [
        rulebooks.plan("NCIMHA", "IFS", date(year, 1, 1), date(2028, 6, 1)) for year in (2025, 2026)
    ]
    amounts = [r.amount for plan in plans if plan for r in plan.requirements if r.id == "rsc"]
    assert amounts == [6 * 60, 12 * 60]


def test_categories_end_by_a_rule(folder: Path) -> None:
    (categories,) = blocks("A category that is added to another, and one for two years")
    file = folder / "rulebooks" / "ncimha.toml"
    file.write_text(file.read_text().replace("[categories]\n", f"[categories]\n{categories}"))
    assert load_rulebooks(folder).ending_categories == {"NCIMHA": {"MIT", "EIFS"}}


def test_leave_and_inactive_status_are_limited(folder: Path) -> None:
    rulebook, organization = blocks("Add an association")
    (absences,) = blocks("Leave and inactive status in a three-year cycle")
    (folder / "rulebooks" / "example.toml").write_text(f"{rulebook}\n{absences}")
    add(folder / "organizations.toml", organization)
    found = load_rulebooks(folder).associations["EXAMPLE"]
    assert [rule.kind for rule in found.absences] == ["leave", "inactive"]


def test_a_renewal_fee_is_asked_for(folder: Path) -> None:
    rulebook, organization = blocks("Add an association")
    (fee,) = blocks("Ask for a renewal fee")
    (folder / "rulebooks" / "example.toml").write_text(f"{rulebook}\n{fee}")
    add(folder / "organizations.toml", organization)
    [found] = load_rulebooks(folder).associations["EXAMPLE"].fees
    assert [(value.amount, value.late_amount) for value in found.values] == [(7500, 10_000)]


def test_a_renewal_is_due_before_the_cycle_ends(folder: Path) -> None:
    (cycle,) = blocks("Be due before the cycle ends, with grace to a calendar date")
    add(folder / "rulebooks" / "ncimha.toml", cycle)
    found = common_cycle(load_rulebooks(folder).associations["NCIMHA"].cycles, date(2025, 6, 1))
    assert found
    assert (found.due_on, found.grace_ends_on(found.due_on)) == (
        date(2025, 11, 30),
        date(2026, 3, 31),
    )
    assert (found.opens_on, found.closes_on) == (date(2025, 10, 1), date(2026, 3, 31))


def load_with_membership(folder: Path, membership: str) -> MembershipRule:
    """The membership rule of the example association, with another one in its place."""
    rulebook, organization = blocks("Add an association")
    head, _, tail = rulebook.partition("[memberships.own]")
    tail = tail[tail.index("[[requirements]]") :]
    (folder / "rulebooks" / "example.toml").write_text(f"{head}{membership}\n{tail}")
    add(folder / "organizations.toml", organization)
    return load_rulebooks(folder).associations["EXAMPLE"].memberships["own"]


def test_a_membership_counts_after_its_last_day(folder: Path) -> None:
    (membership,) = blocks("Let a membership lapse for a month")
    grace = load_with_membership(folder, membership).grace
    assert grace
    assert grace.ends_on(date(2027, 6, 30)) == date(2027, 7, 30)


def test_only_individual_memberships_are_accepted(folder: Path) -> None:
    (membership,) = blocks("Accept only individual memberships")
    assert load_with_membership(folder, membership).kinds == ("individual",)


def test_the_running_cycles_are_lengthened(folder: Path) -> None:
    (cycle,) = blocks("Lengthen the running cycles")
    add(folder / "rulebooks" / "ncimha.toml", cycle)
    found = common_cycle(load_rulebooks(folder).associations["NCIMHA"].cycles, date(2027, 6, 1))
    assert found
    assert (found.starts_on, found.ends_on) == (date(2026, 1, 1), date(2027, 12, 31))
    assert found.share == 1


def test_leave_reduces_the_hours_of_three_years(folder: Path) -> None:
    rulebook, organization = blocks("Add an association")
    (added,) = blocks("Leave and inactive status in a three-year cycle")
    yearly = "years = 1\nends_on = 2026-06-30\n"
    assert yearly in rulebook
    text = rulebook.replace(yearly, "years = 3\nends_on = 2028-06-30\n")
    rsc = text[text.index("[[requirements]]") : text.rindex("[[requirements]]")]
    training = rsc.replace('"rsc"', '"training"').replace('providers = "training"\n', "")
    training = training.replace("hours = 12", "hours = 45")
    (folder / "rulebooks" / "example.toml").write_text(f"{text}\n{training}\n{added}")
    add(folder / "organizations.toml", organization)
    plan = load_rulebooks(folder).plan("EXAMPLE", "IFS", date(2020, 1, 1), date(2029, 1, 1))
    assert plan
    assert plan.cycle
    leave = Absence(date(2029, 1, 1), date(2029, 4, 30), "leave")
    effect = find_effect(plan, (leave,), date(2020, 1, 1), plan.cycle.due_on)
    required = {
        r.id: reduce_amount(r, effect.reduced[r.id]) / 60
        for r in plan.requirements
        if r.id in effect.reduced
    }
    assert required["training"] == 40


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


def load_example(folder: Path, *added: str) -> Rulebooks:
    """The rulebooks, with the example association to which blocks were added."""
    rulebook, organization = blocks("Add an association")
    (folder / "rulebooks" / "example.toml").write_text("\n".join((rulebook, *added)))
    add(folder / "organizations.toml", organization)
    return load_rulebooks(folder)


def test_retired_endorsees_can_be_emeritus(folder: Path) -> None:
    (absences,) = blocks("Emeritus status")
    rulebooks = load_example(folder, absences)
    retired = Absence(date(2028, 6, 1), date.max, "emeritus")
    refusals = [
        [
            refusal.code
            for refusal in check_limits(rulebooks.associations["EXAMPLE"], held, retired, ())
        ]
        for held in (
            Endorsed(1, 1, "Ana", "ana@example.org", "EXAMPLE", "IFS", date(2018, 6, day), None)
            for day in (1, 2)
        )
    ]
    assert refusals == [[], ["absence-held-too-briefly"]]
    plan = rulebooks.plan("EXAMPLE", "IFS", date(2018, 6, 1), date(2028, 8, 1))
    assert plan
    assert plan.cycle
    effect = find_effect(plan, (retired,), date(2018, 6, 1), plan.cycle.due_on)
    assert effect.excused == {"rsc": "emeritus", "membership": "emeritus"}


def test_certificates_have_their_signature(folder: Path) -> None:
    (fee,) = blocks("Ask for a renewal fee")
    (certificates,) = blocks("Issue certificates")
    rulebook = load_example(folder, fee, certificates).associations["EXAMPLE"]
    rules = [rulebook.certificate_rule("IFS", date(2027, *day)) for day in ((9, 30), (10, 1))]
    assert [rule and rule.signatory for rule in rules] == [None, "Kai Akana"]


def test_a_registry_is_opened(folder: Path) -> None:
    (text,) = blocks("Public registry")
    registry = load_example(folder, text).associations["EXAMPLE"].registry
    assert registry
    assert [registry.is_open(day) for day in (date(2026, 12, 31), date(2027, 1, 1))] == [
        False,
        True,
    ]
    assert registry.may_embed("https://www.example.org")
    assert not registry.may_embed("https://example.org")


def test_lapsed_endorsements_are_removed_and_reinstated(folder: Path) -> None:
    (text,) = blocks("Remove lapsed endorsements, and reinstate them")
    rulebooks = load_example(folder, text)
    removal = rulebooks.removal_rule("EXAMPLE", date(2027, 1, 31))
    assert removal
    assert removal.kept_through(date(2027, 1, 31)) == date(2027, 2, 28)
    removed_on = date(2027, 3, 1)
    reinstatement = rulebooks.reinstatement_rule("EXAMPLE", "IFS", removed_on)
    assert reinstatement
    assert reinstatement.latest_on(removed_on) == date(2028, 3, 1)
    plan = rulebooks.application_plan("EXAMPLE", "IFS", removed_on, "reinstatement")
    assert {r.id: r.amount for r in plan.requirements}["back.training"] == 6 * 60
    assert [(fee.id, fee.amount) for fee in plan.fees] == [("reinstatement", 5000)]


def test_every_worked_example_is_tried() -> None:
    tried = re.findall(r'blocks\(\s*"([^"]+)"', Path(__file__).read_text(encoding="utf-8"))
    assert {title for title, _ in EXAMPLES} == set(tried)


def test_the_notices_that_are_shipped_are_right() -> None:
    assert load_notice_configs(CONFIG, ()).installation.renewal.before
