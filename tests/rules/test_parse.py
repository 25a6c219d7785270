"""Each kind of error in a rulebook: its file, its key and its reason; all errors at once."""

import pytest

from tracker.rules.parse import parse_organizations, parse_rulebook
from tracker.rules.toml_lines import TomlLines

RULEBOOK = """
id = "EX-AIMH"
name = "Example"
time_zone = "America/New_York"

[categories]
"IFS" = { name = "Infant Family Specialist" }
"IFRS" = { name = "Infant Family Reflective Supervisor" }

[documents]
ifs = { file = "000", title = "IFS" }

[[cycles]]
from = 2000-01-01
kind = "fixed"
years = 1
ends_on = 2000-12-31
grace_days = 31
interpretation = "calendar-year"

[providers.rsc]
says = "IFRS"

  [[providers.rsc.accepts]]
  categories = ["IFRS"]
  until = 2027-12-21
  source = { document = "ifs", section = "RSC" }

[memberships.any]
says = "any"
any_infant_mental_health_association = true

[[requirements]]
id = "training"
label = "Training"
about = "Each year"
categories = ["IFS"]
counts = "training"

  [[requirements.values]]
  from = 2000-01-01
  hours = 15
  source = { document = "ifs", section = "Training" }

[[requirements]]
id = "rsc"
label = "RSC"
about = "Each year"
categories = ["IFS"]
counts = "rsc"
providers = "rsc"

  [[requirements.values]]
  from = 2000-01-01
  hours = 12
  source = { document = "ifs", section = "RSC" }

[[requirements]]
id = "membership"
label = "Membership"
about = "Each year"
categories = ["IFS"]
counts = "membership"
membership = "any"

  [[requirements.values]]
  from = 2000-01-01
  source = { document = "ifs", section = "Membership" }

[[interpretations]]
id = "calendar-year"
section = "Renewal"
says = "No day is named."
readings = ["The calendar year."]
taken = "The calendar year."
since = 2026-11-22
"""
INTERPRETATION = RULEBOOK[RULEBOOK.index("[[interpretations]]") :]
CYCLES = RULEBOOK[RULEBOOK.index("[[cycles]]") : RULEBOOK.index("[providers.rsc]")]
TRAINING = RULEBOOK[
    RULEBOOK.index("[[requirements]]") : RULEBOOK.index('[[requirements]]\nid = "rsc"')
]


def problems(*replacements: tuple[str, str], rulebook: str = RULEBOOK) -> list[str]:
    """Every problem, without its place, once each text was replaced where it first stands."""
    for old, new in replacements:
        assert old in rulebook, f"the book holds no {old!r}"
        rulebook = rulebook.replace(old, new, 1)
    found, wrong = parse_rulebook(rulebook, "ex.toml")
    assert (found is None) == bool(wrong)
    return [f"{problem.file}: {problem.key}: {problem.reason}" for problem in wrong]


def test_the_example_is_without_problems() -> None:
    assert problems() == []


def test_a_rulebook_can_name_its_locale() -> None:
    assert problems(('name = "Example"', 'name = "Example"\nlocale = "es_US"')) == []
    rulebook, _ = parse_rulebook(RULEBOOK, "ex.toml")
    assert rulebook
    assert rulebook.locale == "en_US"


def test_toml_error_names_the_line() -> None:
    (problem,) = problems(('id = "EX-AIMH"', 'id = "EX-AIMH'))
    assert problem.startswith("ex.toml: the whole file: is not TOML: ")
    assert "line 2" in problem


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "grace_days = 31",
            "grace_days = 31\ngrace_period = 31",
            "ex.toml: cycles[1].grace_period: is not a key here: did you mean grace_days or "
            "grace_until? (found 31)",
            id="unknown key",
        ),
        pytest.param(
            "grace_days = 31\n",
            "",
            "ex.toml: cycles[1]: give either grace_days (0 for no grace period) or grace_until",
            id="missing key",
        ),
        pytest.param(
            "grace_days = 31",
            'grace_days = "a month"',
            "ex.toml: cycles[1].grace_days: write a whole number, without quotes (found 'a month')",
            id="word for a number",
        ),
        pytest.param(
            "hours = 15",
            'hours = "15"',
            "ex.toml: requirements[1].values[1].hours: write a number, without quotes (found '15')",
            id="text for hours",
        ),
        pytest.param(
            "grace_days = 31",
            "grace_days = true",
            "ex.toml: cycles[1].grace_days: write a whole number, without quotes (found True)",
            id="yes for a number",
        ),
        pytest.param(
            "until = 2027-12-21",
            "until = 0",
            "ex.toml: providers.rsc.accepts[1].until: write a date as year-month-day, "
            "without quotes (found 0)",
            id="number for a date",
        ),
        pytest.param(
            "hours = 15",
            "hours = 0",
            "ex.toml: requirements[1].values[1].hours: write a number that is more than 0 "
            "(found 0)",
            id="no hours",
        ),
        pytest.param(
            'kind = "fixed"',
            'kind = "lunar"',
            "ex.toml: cycles[1].kind: write 'fixed' or 'anniversary' (found 'lunar')",
            id="unknown kind of cycle",
        ),
        pytest.param(
            "ends_on = 2000-12-31",
            "",
            "ex.toml: cycles[1]: a fixed cycle needs ends_on (the last day of one cycle); "
            "others have none",
            id="fixed cycle without an end",
        ),
        pytest.param(
            'kind = "fixed"',
            'kind = "anniversary"',
            "ex.toml: cycles[1]: a fixed cycle needs ends_on (the last day of one cycle); "
            "others have none",
            id="anniversary with an end",
        ),
        pytest.param(
            '"America/New_York"',
            '"America/Hartford"',
            "ex.toml: time_zone: 'America/Hartford' is not a time zone: use an IANA name such as "
            "America/New_York (found 'America/Hartford')",
            id="unknown time zone",
        ),
        pytest.param(
            '"America/New_York"',
            '"../zone"',
            "ex.toml: time_zone: '../zone' is not a time zone: use an IANA name such as "
            "America/New_York (found '../zone')",
            id="path for a time zone",
        ),
        pytest.param(
            'time_zone = "America/New_York"',
            'time_zone = "America/New_York"\nlocale = "american"',
            "ex.toml: locale: 'american' is not a locale: use a language and a country such as "
            "en_US (found 'american')",
            id="unknown locale",
        ),
        pytest.param(
            "until = 2027-12-21",
            "until = 2027-12-21\n  from = 2027-12-22",
            "ex.toml: providers.rsc.accepts[1]: until (2027-12-21) is before from (2027-12-22)",
            id="end before start",
        ),
        pytest.param(
            'categories = ["IFRS"]',
            "",
            "ex.toml: providers.rsc.accepts[1]: give either categories or vetted = true",
            id="accepts nobody",
        ),
        pytest.param(
            'categories = ["IFRS"]',
            'categories = ["IFRS"]\n  vetted = true',
            "ex.toml: providers.rsc.accepts[1]: give either categories or vetted = true",
            id="accepts two kinds at once",
        ),
        pytest.param(
            "any_infant_mental_health_association = true",
            "",
            "ex.toml: memberships.any: accept at least one organization",
            id="membership in nothing",
        ),
        pytest.param(
            'counts = "rsc"\nproviders = "rsc"',
            'counts = "rsc"',
            "ex.toml: requirements[2]: providers goes with counts = 'rsc', and is needed there",
            id="rsc without providers",
        ),
        pytest.param(
            'counts = "membership"\nmembership = "any"',
            'counts = "membership"',
            "ex.toml: requirements[3]: membership goes with counts = 'membership', "
            "and is needed there",
            id="membership without a rule",
        ),
        pytest.param(
            'counts = "rsc"\n',
            'counts = "rsc"\ntopic = "DEIA"\n',
            "ex.toml: requirements[2]: only an application can require this: "
            'write of = "application"',
            id="topic of rsc",
        ),
        pytest.param(
            "  hours = 15\n",
            "",
            "ex.toml: requirements[1]: the value from 2000-01-01: hours go with training and "
            "rsc that are required",
            id="training without hours",
        ),
        pytest.param(
            "  hours = 15\n",
            "  hours = 15\n  asked = false\n",
            "ex.toml: requirements[1]: the value from 2000-01-01: hours go with training and "
            "rsc that are required",
            id="hours that are not asked",
        ),
        pytest.param(
            'id = "EX-AIMH"',
            'id = "EX AIMH"',
            "ex.toml: id: must begin with a letter or digit, and otherwise have only letters, "
            "digits, periods, slashes, and hyphens (found 'EX AIMH')",
            id="id with a space",
        ),
        pytest.param(
            'interpretation = "calendar-year"',
            'interpretation = "calender-year"',
            "ex.toml: cycles[1].interpretation: 'calender-year' is not in this file: "
            "did you mean calendar-year?",
            id="dangling interpretation of a cycle",
        ),
        pytest.param(
            '  source = { document = "ifs", section = "RSC" }',
            '  source = { document = "ecfs", section = "RSC" }',
            "ex.toml: providers.rsc.accepts[1].source.document: 'ecfs' is not in this file; "
            "it has ifs",
            id="dangling document of a provider rule",
        ),
        pytest.param(
            '  categories = ["IFRS"]',
            '  categories = ["IFSR"]',
            "ex.toml: providers.rsc.accepts[1].categories: 'IFSR' is not in this file: "
            "did you mean IFS or IFRS?",
            id="misspelt category of a provider rule",
        ),
        pytest.param(
            'source = { document = "ifs", section = "Training" }',
            'source = { document = "training", section = "Training" }',
            "ex.toml: requirements[1].values[1].source.document: 'training' is not in this file; "
            "it has ifs",
            id="dangling document of a value",
        ),
        pytest.param(
            'categories = ["IFS"]\ncounts = "training"',
            'categories = ["ISF"]\ncounts = "training"',
            "ex.toml: requirements[1].categories: 'ISF' is not in this file: did you mean IFS?",
            id="dangling category",
        ),
        pytest.param(
            'providers = "rsc"',
            'providers = "ifs-rsc"',
            "ex.toml: requirements[2].providers: 'ifs-rsc' is not in this file: did you mean rsc?",
            id="dangling provider rule",
        ),
        pytest.param(
            'membership = "any"',
            'membership = "own"',
            "ex.toml: requirements[3].membership: 'own' is not in this file; it has any",
            id="dangling membership rule",
        ),
        pytest.param(
            'section = "Renewal"',
            'document = "ecfs"\nsection = "Renewal"',
            "ex.toml: interpretations[1].document: 'ecfs' is not in this file; it has ifs",
            id="dangling document of an interpretation",
        ),
        pytest.param(
            'id = "rsc"\nlabel',
            'id = "training"\nlabel',
            "ex.toml: renewal requirements of IFS: 'training' is given more than once",
            id="requirement twice",
        ),
        pytest.param(
            CYCLES,
            "",
            "ex.toml: cycles: IFS has renewal requirements, so it needs cycles",
            id="no cycles",
        ),
        pytest.param(
            INTERPRETATION,
            INTERPRETATION + INTERPRETATION,
            "ex.toml: interpretations: 'calendar-year' is given more than once",
            id="interpretation twice",
        ),
        pytest.param(
            CYCLES,
            CYCLES + CYCLES.replace("2000-01-01", "1999-01-01"),
            "ex.toml: cycles: cycles must be in order of their from dates: 1999-01-01 follows "
            "2000-01-01",
            id="cycles in disorder",
        ),
        pytest.param(
            CYCLES,
            CYCLES + CYCLES,
            "ex.toml: cycles: cycles must be in order of their from dates: 2000-01-01 follows "
            "2000-01-01",
            id="cycles twice",
        ),
        pytest.param(
            TRAINING,
            TRAINING + TRAINING[TRAINING.index("  [[") :].replace("2000-01-01", "1999-12-31"),
            "ex.toml: requirements[1]: values must be in order of their from dates: 1999-12-31 "
            "follows 2000-01-01",
            id="values in disorder",
        ),
    ],
)
def test_error_names_file_key_and_reason(old: str, new: str, expected: str) -> None:
    assert problems((old, new)) == [expected]


def test_all_errors_are_reported_together() -> None:
    found = problems(
        ("grace_days = 31", "grace_days = -1"),
        ("hours = 15", "hours = 15\n  minutes = 900"),
        ('"America/New_York"', '"Nowhere/Land"'),
    )
    assert [line.split(": ")[1] for line in found] == [
        "time_zone",
        "cycles[1].grace_days",
        "requirements[1].values[1].minutes",
    ]


def test_all_missing_names_are_reported_together() -> None:
    found = problems(
        ('interpretation = "calendar-year"', 'interpretation = "fiscal-year"'),
        ('providers = "rsc"', 'providers = "ifs-rsc"'),
        ('membership = "any"', 'membership = "own"'),
    )
    assert [line.split(": ")[1] for line in found] == [
        "cycles[1].interpretation",
        "requirements[2].providers",
        "requirements[3].membership",
    ]


def test_one_category_cannot_have_two_provider_rules() -> None:
    second = RULEBOOK[RULEBOOK.index("[providers.rsc]") : RULEBOOK.index("[memberships.any]")]
    requirement = RULEBOOK[
        RULEBOOK.index('[[requirements]]\nid = "rsc"') : RULEBOOK.index(
            '[[requirements]]\nid = "membership"'
        )
    ]
    other = requirement.replace('id = "rsc"', 'id = "group"').replace(
        'providers = "rsc"', 'providers = "group"'
    )
    found = problems(
        (
            "[memberships.any]",
            second.replace("providers.rsc", "providers.group") + "[memberships.any]",
        ),
        (INTERPRETATION, other + INTERPRETATION),
    )
    assert found == ["ex.toml: renewal requirements of IFS: they name more than one provider rule"]


def test_organizations_need_an_id_and_a_name() -> None:
    found, wrong = parse_organizations('[[organizations]]\nid = "X"\n', "organizations.toml")
    assert found is None
    assert [str(p) for p in wrong] == [
        "organizations.toml: organizations[1].name: is missing: add it (line 1)"
    ]


def test_organizations_are_unique() -> None:
    text = '[[organizations]]\nid = "X"\nname = "One"\n'
    found, wrong = parse_organizations(text + text.replace("One", "Two"), "organizations.toml")
    assert found is None
    assert [str(p) for p in wrong] == [
        "organizations.toml: organizations: 'X' is given more than once"
    ]


def lines(*replacements: tuple[str, str]) -> list[str]:
    """Every problem as `tracker rules check` prints it."""
    rulebook = RULEBOOK
    for old, new in replacements:
        assert old in rulebook
        rulebook = rulebook.replace(old, new, 1)
    return [str(problem) for problem in parse_rulebook(rulebook, "ex.toml")[1]]


def test_errors_of_form_and_of_names_come_together() -> None:
    found = lines(
        ("hours = 15", "huors = 15"),
        ('["IFRS"]', '["IFSR"]'),
        ('membership = "any"', 'membership = "own"'),
        ('"America/New_York"', '"America/Hartford"'),
    )
    assert found[1:] == [
        (
            "ex.toml: requirements[1].values[1].huors: is not a key here: did you mean hours? "
            "(found 15) (requirement 'training', line 42)"
        ),
        (
            "ex.toml: providers.rsc.accepts[1].categories: 'IFSR' is not in this file: "
            "did you mean IFS or IFRS? (line 25)"
        ),
        (
            "ex.toml: requirements[3].membership: 'own' is not in this file; it has any "
            "(requirement 'membership', line 64)"
        ),
    ]


def test_left_out_requirement_keeps_the_other_numbers() -> None:
    found = lines(('about = "Each year"', ""), ('providers = "rsc"', 'providers = "rcs"'))
    assert [line.split(": ")[1] for line in found] == [
        "requirements[1].about",
        "requirements[2].providers",
    ]


def test_far_days_are_refused() -> None:
    (found,) = lines(("ends_on = 2000-12-31", "ends_on = 9999-12-31"))
    assert found.startswith("ex.toml: cycles[1].ends_on: is too far away: leave the key out")
    assert found.endswith("(found 9999-12-31) (line 17)")


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "9" * 6000])
def test_excessive_toml_is_refused(text: str) -> None:
    (found,) = lines(('id = "EX-AIMH"', f'id = "EX-AIMH"\nx = {text}'))
    assert found.startswith("ex.toml: the whole file: is ")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "grace_days = 31",
            'grace_days = 31\nfirst_cycle = "some hours"',
            "cycles[1].first_cycle: write 'all hours', 'no hours', 'fraction by month', "
            "'fraction by year' or 'fraction by table' (did you mean no hours or all hours?) "
            "(found 'some hours')",
            id="unknown word for the first cycle",
        ),
        pytest.param(
            'counts = "training"',
            'counts = "training"\nformats = ["group"]',
            "requirements[1]: formats goes with counts = 'rsc', not 'training'",
            id="formats of training",
        ),
        pytest.param(
            'categories = ["IFRS"]',
            "vetted = true\n  held_years = 3",
            "providers.rsc.accepts[1]: degree and held_years go with categories",
            id="vetted for years",
        ),
        pytest.param(
            'categories = ["IFRS"]',
            'vetted = true\n  degree = "master"',
            "providers.rsc.accepts[1]: degree and held_years go with categories",
            id="vetted with a degree",
        ),
        pytest.param(
            "  from = 2000-01-01\n  hours = 15",
            "  from = 2020-01-02\n  hours = 15",
            "requirements[1].values[1].from: 2020-01-02 is the second day of the cycle from "
            "2020-01-01, which therefore would not require it: write 2020-01-01, or 2021-01-01",
            id="second day of a cycle",
        ),
        pytest.param(
            TRAINING,
            TRAINING
            + TRAINING[TRAINING.index("  [[") :]
            .replace("2000-01-01", "2025-12-31")
            .replace("hours = 15", "asked = false"),
            "requirements[1].values[2].from: 2025-12-31 is the last day of the cycle from "
            "2025-01-01, which therefore would not require it: write 2026-01-01, or 2025-01-01",
            id="end on the last day of a cycle",
        ),
        pytest.param(
            "years = 1",
            "years = 3",
            "cycles[1].ends_on: 2000-12-31 does not fit years = 3 and from = 2000-01-01: write "
            "2002-12-31, or from = 1998-01-01 or 2001-01-01, or add short_cycle",
            id="end that does not fit the years",
        ),
        pytest.param(
            CYCLES,
            CYCLES + CYCLES.replace("2000-01-01", "2026-07-01").replace("2000-12-31", "2027-06-30"),
            "cycles[2].from: 2026-07-01 is within the cycle from 2026-01-01 to 2026-12-31, so its "
            "hours would be required twice: write 2027-01-01, or add short_cycle",
            id="change within a cycle",
        ),
    ],
)
def test_error_says_what_would_be_right(old: str, new: str, expected: str) -> None:
    (found,) = problems((old, new))
    assert found.startswith(f"ex.toml: {expected}")


@pytest.mark.parametrize(
    "place", ['cycles[1].ends["on","by"]', "a]b", "[", ".x[", "the whole file"]
)
def test_any_place_is_looked_up_in_steps(place: str) -> None:
    assert (
        TomlLines(RULEBOOK).find(f"cycles[1].{place}")
        == RULEBOOK.split("\n").index("[[cycles]]") + 1
    )
    assert TomlLines("").find(place) is None


def test_those_vetted_by_other_associations_can_be_accepted() -> None:
    assert problems(('categories = ["IFRS"]', 'vetted = true\n  associations = ["MI-AIMH"]')) == []


@pytest.mark.parametrize("years", ["0", "51", "2.5", "true"])
def test_years_held_are_a_whole_number(years: str) -> None:
    (found,) = problems(('categories = ["IFRS"]', f'categories = ["IFRS"]\n  held_years = {years}'))
    assert found.startswith("ex.toml: providers.rsc.accepts[1].held_years: ")


def test_a_shortened_cycle_can_say_what_it_requires() -> None:
    short = CYCLES.replace("grace_days", 'short_cycle = "fraction by month"\ngrace_days')
    june = CYCLES.replace("2000-01-01", "2026-07-01").replace("2000-12-31", "2027-06-30")
    assert problems((CYCLES, short + june)) == []


def test_problems_of_several_requirements_name_their_lines() -> None:
    (found,) = lines(('id = "rsc"\nlabel', 'id = "training"\nlabel'))
    assert found == (
        "ex.toml: renewal requirements of IFS: 'training' is given more than once "
        "(requirement 'training' in line 33, requirement 'training' in line 45)"
    )
