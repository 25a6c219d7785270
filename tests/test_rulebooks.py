"""The folder of rulebooks: what it must hold, what is told when it does not, what it cites."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.rules.case_data import IMAGINED, REAL, TESTS
from tracker.rulebooks import (
    RulebookError,
    check_own_settings,
    load_notice_configs,
    load_rulebooks,
    with_rulebook,
)
from tracker.rules.model import Rulebook
from tracker.rules.notice_config import NoticeConfigs, RenewalSteps
from tracker.settings import AssociationSettings, Settings, SettingsError

ORGANIZATIONS = """
[[organizations]]
id = "EX"
name = "Example"
infant_mental_health = true
"""
RULEBOOK = """
id = "EX"
name = "Example"
time_zone = "America/New_York"

[categories]
"IFS" = { name = "Infant Family Specialist" }
"""
DOCUMENT = 'ifs = { file = "000", title = "IFS" }'


def require(counts: str, rule: str) -> str:
    """A requirement of an application, with the document that it cites."""
    hours = "hours = 1, " if counts == "rsc" else ""
    return f"""
[documents]
{DOCUMENT}
[[requirements]]
of = "application"
id = "{counts}"
label = "It"
about = "It"
categories = ["IFS"]
counts = "{counts}"
{rule}
values = [{{ from = 2026-01-01, {hours}source = {{ document = "ifs", section = "It" }} }}]
"""


# What the sources leave open, and the reading that each rulebook must state.
AMBIGUITIES = {
    "CT-AIMH": {
        "april-2024": "April 30, 2024",
        "imhs-until-april-2024": "not after",
        "ecmhs-until-april-2024": "not after",
        "transition-in-renewal": "renewal hours too",
        "ecfs-row-says-ifs": "ECFS",
        "ecfs-rsc-ages": "regardless of the age",
        "no-endorsed-rater": "None of the three",
        "internship": "at most one of the two years",
        "imhs-provider": "application's provider rule",
        "calendar-year": "due December 31",
        "first-year": "No hours",
        "no-rules-for-others": "No renewal rules",
    },
    "MI-AIMH": {
        "ct-requires-rsc": "12 hours",
        "imhs-provider": "application's provider rule",
        "calendar-year": "due December 31",
        "first-year": "No hours",
        "no-rules-for-others": "No renewal rules",
        "internship": "at most one of the two years",
        "one-to-two-years": "some span of 24 months",
        "mi-aimh-exam": "One exam passed",
    },
    "NCIMHA": {
        "endorsed-or-vetted-referee": "through December 21, 2027",
        "vetted-until": "December 21, 2027",
        "provider-rule-of-application": "application's provider rule",
        "calendar-year": "due December 31",
        "first-year": "No hours",
        "no-rules-for-others": "No renewal rules",
    },
    "VAIMH": {
        "no-renewal-rules": "none are known",
        "ifs-bachelor-needed": "bachelor's degree is needed",
        "ifrs-48-hours": "48 = 30 + 15 + 3",
        "didactic-hours": "inside the 30",
        "ifrs-second-part": "The same hours count for both parts",
        "one-to-two-years": "some span of 24 months",
        "years-of-work": "overlapping positions once",
        "three-colleagues": "if the reviewers agree",
        "two-colleagues": "if the reviewers agree",
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rulebooks").mkdir()
    (tmp_path / "organizations.toml").write_text(ORGANIZATIONS, "utf-8")
    (tmp_path / "rulebooks" / "ex.toml").write_text(RULEBOOK, "utf-8")
    return tmp_path


def problems(folder: Path) -> list[str]:
    with pytest.raises(RulebookError) as raised:
        load_rulebooks(folder)
    return str(raised.value).splitlines()


def test_a_folder_is_read(folder: Path) -> None:
    rulebooks = load_rulebooks(folder)
    assert list(rulebooks.associations) == ["EX"]
    assert list(rulebooks.organizations) == ["EX"]


def test_byte_order_mark_is_ignored(folder: Path) -> None:
    (folder / "rulebooks" / "ex.toml").write_text(RULEBOOK, "utf-8-sig")
    assert list(load_rulebooks(folder).associations) == ["EX"]


def test_missing_folder_has_two_problems(tmp_path: Path) -> None:
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path / 'nowhere' / 'rulebooks'}: *.toml: has no rulebook",
        "organizations.toml: the whole file: No such file or directory",
    ]


def test_a_folder_without_rulebooks_is_an_error(folder: Path) -> None:
    (folder / "rulebooks" / "ex.toml").unlink()
    assert problems(folder) == [f"{folder / 'rulebooks'}: *.toml: has no rulebook"]


def test_a_rulebook_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "rulebooks" / "folder.toml").mkdir()
    assert problems(folder) == ["folder.toml: the whole file: is a folder: name a file"]


def test_wrong_encoding_names_the_line(folder: Path) -> None:
    (folder / "rulebooks" / "ex.toml").write_bytes(b'id = "EX"\nname = "\xc9cole"\n')
    assert problems(folder) == [
        "ex.toml: the whole file: line 2 is not UTF-8: save the file as UTF-8"
    ]


def test_two_rulebooks_of_one_association_are_an_error(folder: Path) -> None:
    (folder / "rulebooks" / "second.toml").write_text(RULEBOOK, "utf-8")
    assert problems(folder) == ["second.toml: id: another file already has 'EX'"]


def test_association_missing_from_organizations_is_an_error(folder: Path) -> None:
    other = RULEBOOK.replace('id = "EX"', 'id = "OTHER"')
    (folder / "rulebooks" / "other.toml").write_text(other, "utf-8")
    (found,) = problems(folder)
    assert found == (
        "organizations.toml: organizations: lacks the association 'OTHER': add [[organizations]] "
        "with its id and name"
    )


def test_unknown_accepted_organization_is_an_error(folder: Path) -> None:
    rule = '\n[memberships.own]\nsays = "own"\norganizations = ["EX", "WAIMH"]\n'
    rule += require("membership", 'membership = "own"')
    (folder / "rulebooks" / "ex.toml").write_text(RULEBOOK + rule, "utf-8")
    (found,) = problems(folder)
    assert found == (
        "ex.toml: memberships.own.organizations: 'WAIMH' is not in organizations.toml: "
        "add it there, or write another (line 11)"
    )


def test_unknown_provider_association_is_an_error(folder: Path) -> None:
    rule = """
    [documents]
    ifs = { file = "000", title = "IFS" }
    [providers.rsc]
    says = "IFS of Ohio"
    [[providers.rsc.accepts]]
    categories = ["IFS"]
    associations = ["OH-AIMH"]
    source = { document = "ifs", section = "RSC" }
    """ + require("rsc", 'providers = "rsc"').replace("[documents]", "").replace(DOCUMENT, "")
    (folder / "rulebooks" / "ex.toml").write_text(RULEBOOK + rule, "utf-8")
    place = "ex.toml: providers.rsc.accepts[1].associations"
    assert problems(folder) == [
        f"{place}: 'OH-AIMH' is not in organizations.toml: add it there, or write another (line 15)"
    ]


def test_errors_in_all_files_are_reported_together(folder: Path) -> None:
    (folder / "organizations.toml").write_text("organizations = []\n", "utf-8")
    (folder / "rulebooks" / "ex.toml").write_text(RULEBOOK + "[colours]\n", "utf-8")
    (folder / "rulebooks" / "second.toml").write_text("id = \n", "utf-8")
    assert [line.split(": ")[0] for line in problems(folder)] == [
        "organizations.toml",
        "ex.toml",
        "second.toml",
    ]


def test_digest_changes_with_any_file(folder: Path) -> None:
    before = load_rulebooks(folder).digest
    (folder / "organizations.toml").write_text(ORGANIZATIONS + "# a word\n", "utf-8")
    assert load_rulebooks(folder).digest != before


def test_a_changed_file_moves_the_digest_of_its_own_association() -> None:
    changed = with_rulebook(
        REAL, REAL.associations["NCIMHA"].model_copy(update={"name": "Another"})
    )
    assert changed.digest_of("NCIMHA") != REAL.digest_of("NCIMHA")
    assert changed.digest_of("CT-AIMH") == REAL.digest_of("CT-AIMH")


def test_a_word_in_one_file_leaves_the_digests_of_others(tmp_path: Path) -> None:
    shutil.copytree(TESTS.parent / "config", tmp_path / "config")
    before = load_rulebooks(tmp_path / "config")
    with (tmp_path / "config" / "rulebooks" / "ncimha.toml").open("a") as file:
        file.write("# a word\n")
    after = load_rulebooks(tmp_path / "config")
    moved = {name for name in after.associations if after.digest_of(name) != before.digest_of(name)}
    assert moved == {"NCIMHA"}


def test_digest_is_stable(folder: Path) -> None:
    assert load_rulebooks(folder).digest == load_rulebooks(folder).digest


def test_topics_are_those_that_some_rulebook_counts() -> None:
    assert REAL.topics == {"DEIA", "RSC"}


def test_other_organizations_are_not_accepted() -> None:
    accepted = REAL.accepted_organizations("CT-AIMH/any")
    assert accepted == ("CT-AIMH", "MI-AIMH", "NCIMHA", "VAIMH", "WAIMH")


def test_rule_accepts_only_the_named_organization() -> None:
    assert REAL.accepted_organizations("NCIMHA/ncimha") == ("NCIMHA",)


def test_every_source_association_has_a_rulebook() -> None:
    assert sorted(REAL.associations) == ["CT-AIMH", "MI-AIMH", "NCIMHA", "VAIMH"]


@pytest.mark.parametrize("rulebook", REAL.associations.values())
def test_requirements_cite_the_table_of_their_purpose(rulebook: Rulebook) -> None:
    for requirement in rulebook.requirements:
        for value in requirement.values:
            table = value.source.section.partition(":")[0]
            of_renewals = table in ("Annual renewal", "Continuing endorsement")
            assert of_renewals == (requirement.of == "renewal"), (requirement.id, value.source)


@pytest.mark.parametrize("rulebook", REAL.associations.values())
def test_application_requirements_apply_since_2000(rulebook: Rulebook) -> None:
    asked = [r for r in rulebook.requirements if r.of == "application"]
    # Statements that our readings rely on are asked for since there is a form for them.
    asked = [r for r in asked if r.id not in ("rsc-statement", "residence")]
    assert asked
    assert {v.starts_from for r in asked for v in r.values} == {date(2000, 1, 1)}


def test_keys_mean_the_same_in_every_rulebook() -> None:
    for table in ("services", "roles", "attestations", "topic_names"):
        words: dict[str, str] = {}
        for rulebook in REAL.associations.values():
            for key, said in getattr(rulebook, table).items():
                assert words.setdefault(key, said) == said, (table, key)


@pytest.mark.parametrize("association", AMBIGUITIES)
def test_every_ambiguity_has_the_reading_that_was_agreed(association: str) -> None:
    readings = {i.id: i.taken for i in REAL.associations[association].interpretations}
    for ambiguity, words in AMBIGUITIES[association].items():
        assert words in readings[ambiguity], ambiguity


@pytest.mark.parametrize("rulebook", [*REAL.associations.values(), *IMAGINED.associations.values()])
def test_interpretations_have_at_least_two_readings(
    rulebook: Rulebook,
) -> None:
    for interpretation in rulebook.interpretations:
        assert interpretation.says
        one_reading_only = interpretation.id == "no-renewal-rules"
        assert len(interpretation.readings) >= (1 if one_reading_only else 2)


def test_interpreted_rules_name_their_interpretation() -> None:
    cited: set[str | None] = set()
    for rulebook in REAL.associations.values():
        cited |= {cycle.interpretation for cycle in rulebook.cycles}
        cited |= {requirement.interpretation for requirement in rulebook.requirements}
        for rule in rulebook.providers.values():
            cited |= {accepted.interpretation for accepted in rule.accepts}
    assert {
        *("april-2024", "imhs-until-april-2024", "ecmhs-until-april-2024", "vetted-until"),
        *("transition-in-renewal", "ecfs-row-says-ifs", "imhs-provider", "ct-requires-rsc"),
        *("provider-rule-of-application", "calendar-year"),
    } <= cited


def test_virginia_has_no_renewal_requirement() -> None:
    assert {r.of for r in REAL.associations["VAIMH"].requirements} == {"application"}


def test_the_documents_are_named_as_their_files_begin() -> None:
    files = {d.file for rulebook in REAL.associations.values() for d in rulebook.documents.values()}
    assert files == {"000", "001", "002", "003", "004"}


def test_the_imagined_rulebooks_stand_beside_the_tests() -> None:
    assert load_rulebooks(TESTS / "rulebooks").digest == IMAGINED.digest


NOTICES = """
[renewal]
before = [60]
after = [1]

[associations.EX.renewal]
before = [30, 7]

[associations."A/B".lapse]
notify = false
"""


def notices(folder: Path, text: str) -> NoticeConfigs:
    (folder / "notices.toml").write_text(text, encoding="utf-8")
    return load_notice_configs(folder, ("EX", "A/B", "OTHER"))


def test_an_association_has_its_own_steps_over_those_of_all(tmp_path: Path) -> None:
    configs = notices(tmp_path, NOTICES)
    assert configs.of("EX").renewal == RenewalSteps(before=(30, 7), after=(1,))
    assert configs.of("A/B").renewal == RenewalSteps(before=(60,), after=(1,))
    assert not configs.of("A/B").lapse.notify
    assert configs.of("EX").lapse.notify
    assert configs.of("OTHER") == configs.installation


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "associations.EX.renewal",
            "associations.ex.renewal",
            "associations.ex: there is no rulebook of 'ex': did you mean EX? (line 6)",
        ),
        (
            "associations.EX.renewal",
            "associations.ZZ.renewal",
            "associations.ZZ: there is no rulebook of 'ZZ'; there are those of A/B, EX, "  # noqa: ISC004
            "and OTHER (line 6)",
        ),
        (
            "associations.EX.renewal",
            "associations.EX.renewals",
            "associations.EX.renewals: is not a key here: did you mean renewal? (line 6)",
        ),
        (
            "before = [30, 7]",
            "before = [30, 30]",
            "associations.EX.renewal.before: a number of days is given twice: 30, 30 (line 7)",
        ),
    ],
)
def test_wrong_steps_of_an_association_are_named(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    with pytest.raises(RulebookError) as error:
        notices(tmp_path, NOTICES.replace(old, new))
    assert str(error.value) == f"notices.toml: {problem}"


def test_settings_of_an_unknown_association_stop_the_command() -> None:
    settings = Settings(associations={"NCIHMA": AssociationSettings(), "EX": AssociationSettings()})
    with pytest.raises(SettingsError, match="'NCIHMA': did you mean NCIMHA"):
        check_own_settings(settings, ("NCIMHA", "EX"))
    check_own_settings(settings, ("NCIHMA", "EX"))
