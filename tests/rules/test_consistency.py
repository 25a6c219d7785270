"""What a rulebook names must be there: sections, words for keys, another side to either."""

import pytest

from tracker.rules.parse import parse_rulebook

RULEBOOK = """
id = "EX-AIMH"
name = "Example"
time_zone = "America/New_York"

[categories]
"IFS" = { name = "Infant Family Specialist" }
"IMHS" = { name = "Infant Mental Health Specialist" }

[documents]
ifs = { file = "000", title = "IFS", sections = ["Education", "Work", "RSC", "Ratings", "Ethics"] }
older = { file = "009", title = "Older" }

[services]
prevention = "Prevention services"

[roles]
supervisor = "Current supervisor"
colleague = "Colleague"

[attestations]
ethics = "Code of Ethics"

[topic_names]
RSC-GIVEN = "RSC given to others"

[providers.rsc]
says = "IMHS"

  [[providers.rsc.accepts]]
  categories = ["IMHS"]
  source = { document = "ifs", section = "RSC" }

[[requirements]]
of = "application"
id = "education"
label = "Education"
about = "A degree"
categories = ["IFS"]
counts = "education"
either = "education-or-work"
education = { levels = ["bachelor"] }
values = [{ from = 2000-01-01, source = { document = "ifs", section = "Education" } }]

[[requirements]]
of = "application"
id = "experience"
label = "Experience"
about = "Two years"
categories = ["IFS"]
counts = "work"
either = "education-or-work"
values = [{ from = 2000-01-01, years = 2, source = { document = "ifs", section = "Work" } }]

  [requirements.work]
  services = ["prevention"]
  internship = { years = 1, supervisors = ["IMHS"] }

[[requirements]]
of = "application"
id = "rsc"
label = "RSC"
about = "Hours"
categories = ["IFS"]
counts = "rsc"
providers = "rsc"
values = [{ from = 2000-01-01, hours = 50, source = { document = "ifs", section = "RSC" } }]

[[requirements]]
of = "application"
id = "rsc.giving"
label = "RSC"
about = "About RSC given"
categories = ["IFS"]
counts = "rsc"
providers = "rsc"
topic = "RSC-GIVEN"
inside = "rsc"
values = [{ from = 2000-01-01, hours = 25, source = { document = "ifs", section = "RSC" } }]

[[requirements]]
of = "application"
id = "references"
label = "References"
about = "Two"
categories = ["IFS"]
counts = "references"
values = [{ from = 2000-01-01, source = { document = "ifs", section = "Ratings" } }]

  [requirements.references]
  slots = [["supervisor"], ["supervisor", "colleague"]]
  instead = [[["colleague"], ["colleague"]]]
  endorsed = 1
  endorsed_roles = ["colleague"]
  categories = ["IMHS"]

[[requirements]]
of = "application"
id = "ethics"
label = "Ethics"
about = "Signed"
categories = ["IFS"]
counts = "signed"
signed = ["ethics"]
values = [{ from = 2000-01-01, source = { document = "ifs", section = "Ethics" } }]

[[advice]]
requirement = "experience"
categories = ["IFS"]
says = "More is better."
source = { document = "older", section = "Anywhere" }

[[advice]]
requirement = "rsc"
categories = ["IFS"]
says = "Each month."
source = { document = "older", section = "Anywhere" }

[[interpretations]]
id = "which-degree"
document = "ifs"
section = "Education"
categories = ["IFS"]
says = "A degree."
readings = ["Any.", "One."]
taken = "Any."
since = 2026-11-22
"""
SECTIONS = "which lists: Education; Work; RSC; Ratings; Ethics"


def problems(old: str = "", new: str = "") -> list[str]:
    """Every problem, without the file's name, once a text was replaced where it first stands."""
    assert old in RULEBOOK
    found, wrong = parse_rulebook(RULEBOOK.replace(old, new, 1) if old else RULEBOOK, "ex.toml")
    assert (found is None) == bool(wrong)
    return [f"{problem.key}: {problem.reason}" for problem in wrong]


def test_the_example_is_without_problems() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            '"ifs", section = "RSC" }\n\n',
            '"ifs", section = "Rsc" }\n\n',
            f"providers.rsc.accepts[1].source.section: 'Rsc' is not a section of 'ifs', {SECTIONS}",
            id="section of a provider rule",
        ),
        pytest.param(
            'section = "Ethics"',
            'section = "Code of Ethics"',
            "requirements[6].values[1].source.section: 'Code of Ethics' is not a section of 'ifs', "
            + SECTIONS,
            id="section of a value",
        ),
        pytest.param(
            'document = "older"',
            'document = "ifs"',
            f"advice[1].source.section: 'Anywhere' is not a section of 'ifs', {SECTIONS}",
            id="section of advice",
        ),
        pytest.param(
            'document = "ifs"\nsection = "Education"',
            'document = "ifs"\nsection = "Degrees"',
            f"interpretations[1].section: 'Degrees' is not a section of 'ifs', {SECTIONS}",
            id="section of an interpretation",
        ),
        pytest.param(
            'categories = ["IFS"]\nsays = "A degree."',
            'categories = ["ISF"]\nsays = "A degree."',
            "interpretations[1].categories: 'ISF' is not in this file: did you mean IFS?",
            id="category of an interpretation",
        ),
        pytest.param(
            'categories = ["IFS"]\nsays = "More',
            'categories = ["ISF"]\nsays = "More',
            "advice[1].categories: 'ISF' is not in this file: did you mean IFS?",
            id="category of advice",
        ),
        pytest.param(
            '"Ratings", "Ethics"]',
            '"Ratings", "Ethics", "RSC"]',
            "documents.ifs: the section 'RSC' is listed more than once",
            id="section twice",
        ),
        pytest.param(
            'services = ["prevention"]',
            'services = ["prevntion"]',
            "requirements[2].work.services: 'prevntion' is not in this file: "
            "did you mean prevention?",
            id="service without words",
        ),
        pytest.param(
            'supervisors = ["IMHS"]',
            'supervisors = ["IMSH"]',
            "requirements[2].work.internship.supervisors: 'IMSH' is not in this file: "
            "did you mean IMHS?",
            id="category of an internship's supervisor",
        ),
        pytest.param(
            'slots = [["supervisor"], ["supervisor", "colleague"]]',
            'slots = [["supervisor"], ["supervisor", "coleague"]]',
            "requirements[5].references.slots[2]: 'coleague' is not in this file: "
            "did you mean colleague?",
            id="role without words",
        ),
        pytest.param(
            'instead = [[["colleague"],',
            'instead = [[["coleague"],',
            "requirements[5].references.instead[1][1]: 'coleague' is not in this file: "
            "did you mean colleague?",
            id="role without words in an alternative",
        ),
        pytest.param(
            'categories = ["IMHS"]\n\n[[requirements]]',
            'categories = ["IMSH"]\n\n[[requirements]]',
            "requirements[5].references.categories: 'IMSH' is not in this file: did you mean IMHS?",
            id="category of a referee",
        ),
        pytest.param(
            'endorsed_roles = ["colleague"]',
            'endorsed_roles = ["coleague"]',
            "requirements[5].references.endorsed_roles: 'coleague' is not in this file: "
            "did you mean colleague?",
            id="role of an endorsed referee without words",
        ),
        pytest.param(
            'signed = ["ethics"]',
            'signed = ["ethic"]',
            "requirements[6].signed: 'ethic' is not in this file: did you mean ethics?",
            id="signature without words",
        ),
        pytest.param(
            'topic = "RSC-GIVEN"',
            'topic = "RSC-GIFT"',
            "requirements[4].topic: 'RSC-GIFT' is not in this file: did you mean RSC-GIVEN?",
            id="part of RSC without words",
        ),
        pytest.param(
            'inside = "rsc"',
            'inside = "ethics"',
            "application requirements of IFS: rsc.giving.inside: 'ethics' is not in this file; "
            "it has rsc",
            id="inside what is no RSC",
        ),
        pytest.param(
            'inside = "rsc"',
            'inside = "rsc.giving"',
            "application requirements of IFS: rsc.giving.inside: 'rsc.giving' is not in this file; "
            "it has rsc",
            id="inside itself",
        ),
        pytest.param(
            'either = "education-or-work"\neducation',
            "education",
            "application requirements of IFS: only one has either = "
            "'education-or-work': an alternative needs another",
            id="alternative to nothing",
        ),
    ],
)
def test_error_names_key_and_reason(old: str, new: str, expected: str) -> None:
    assert problems(old, new) == [expected]


ABSENCES = """
[[cycles]]
from = 2000-01-01
kind = "fixed"
years = 1
ends_on = 2000-12-31
grace_days = 31

[[cycles]]
from = 2025-01-01
kind = "fixed"
years = 3
ends_on = 2027-12-31
grace_days = 31

[memberships.own]
says = "EX-AIMH"
organizations = ["EX-AIMH"]

[[requirements]]
id = "training"
label = "Training"
about = "In a cycle"
categories = ["IFS"]
counts = "training"
values = [{ from = 2000-01-01, hours = 15, source = { document = "ifs", section = "Education" } }]

[[requirements]]
id = "membership"
label = "Membership"
about = "EX-AIMH"
categories = ["IFS"]
counts = "membership"
membership = "own"
values = [{ from = 2000-01-01, source = { document = "ifs", section = "Ethics" } }]

[[absences]]
kind = "leave"
from = 2000-01-01
excuses = "nothing"
source = { document = "older", section = "Leave" }
"""
NOTHING = 'excuses = "nothing"'
MOST = (
    "most goes with either within_cycles or within_years: most = 1 and within_years = 3 is once in "
    "three years"
)
LONG = "a day of it on the due date would excuse 3 years"


def list_absence_problems(
    before: str, after: str, text: str = ABSENCES, more: str = ""
) -> list[str]:
    text = RULEBOOK + text + more
    assert before in text
    _, problems = parse_rulebook(text.replace(before, after), "ex.toml")
    return [f"{problem.key}: {problem.reason}" for problem in problems]


def test_a_rulebook_with_leave_is_consistent() -> None:
    assert list_absence_problems(NOTHING, NOTHING) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (f'{NOTHING}\nmembership = "excused"', "absences[1]: requirements and membership"),
        (f'{NOTHING}\nmonths = "begun"', "absences[1]: months goes with excuses"),
        (
            'excuses = "all that is missing"\nmonths = "begun"',
            "absences[1]: months goes with excuses",
        ),
        (f"{NOTHING}\nheld_years = 9", 'absences[1]: held_years goes with kind = "emeritus"'),
        (f"{NOTHING}\nmost = 1", f"absences[1]: {MOST}"),
        (f"{NOTHING}\nwithin_years = 3", "absences[1]: most goes with either within_cycles or"),
        (f"{NOTHING}\nlongest_days = 9\nlongest_months = 1", "absences[1]: give either longest"),
        (f"{NOTHING}\nlongest_days = 27\nshortest_months = 1", "absences[1]: the shortest is lo"),
        (
            f"{NOTHING}\nallowed = false\nmost = 1\nwithin_years = 1",
            "absences[1]: most goes with o",
        ),
        ('excuses = "all that is missing"', f"absences[1].excuses: {LONG}"),
        (
            'excuses = "all that is missing"\nshortest_months = 11',
            f"absences[1].excuses: {LONG}",
        ),
        (
            'excuses = "hours in proportion"\nrequirements = ["trainin"]',
            "absences[1].requirements: 'trainin' is not in this file: did you mean training?",
        ),
        (
            'excuses = "hours in proportion"\nrequirements = ["membership"]',
            "absences[1].requirements: 'membership' is a membership: write membership = ",
        ),
    ],
)
def test_wrong_absences_are_refused(after: str, expected: str) -> None:
    (problem,) = list_absence_problems(NOTHING, after)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    "after",
    [
        'excuses = "all that is missing"\nshortest_months = 12',
        'excuses = "hours in proportion"\nrequirements = ["training"]\nmonths = "begun"',
        f"{NOTHING}\nlongest_days = 28\nshortest_days = 28",
        f"{NOTHING}\nallowed = false",
    ],
)
def test_absences_with_limits_are_accepted(after: str) -> None:
    assert list_absence_problems(NOTHING, after) == []


def test_leave_of_one_year_cycles_may_excuse_all_that_is_missing() -> None:
    later = f'{NOTHING}\nsource = {{ document = "older", section = "Leave" }}\n'
    first = later.replace('"nothing"', '"all that is missing"')
    second = f'[[absences]]\nkind = "leave"\nfrom = 2025-01-01\n{NOTHING}'
    assert list_absence_problems(NOTHING, f"{first}\n{second}") == []


def test_emeritus_status_has_no_other_excuses() -> None:
    emeritus = 'kind = "emeritus"\nfrom = 2000-01-01'
    before = f'kind = "leave"\nfrom = 2000-01-01\n{NOTHING}'
    assert list_absence_problems(before, f"{emeritus}\nheld_years = 10") == []
    (problem,) = list_absence_problems(before, f"{emeritus}\n{NOTHING}")
    assert problem.endswith("excuses everything, and has no last day: remove excuses")


def test_a_rule_from_a_cycles_second_day_is_refused() -> None:
    before = f"from = 2000-01-01\n{NOTHING}"
    (problem,) = list_absence_problems(before, f"from = 2025-01-02\n{NOTHING}")
    assert problem.startswith("absences[1].from: 2025-01-02 is the second day of the cycle from")
    assert list_absence_problems(before, f"from = 2025-01-01\n{NOTHING}") == []
    assert list_absence_problems(before, f"from = 2025-01-03\n{NOTHING}") == []


def test_absences_of_a_kind_are_in_order() -> None:
    second = f'[[absences]]\nkind = "leave"\nfrom = 2000-01-01\n{NOTHING}'
    source = 'source = { document = "older", section = "Leave" }'
    (problem,) = list_absence_problems(NOTHING, f"{NOTHING}\n{source}\n{second}")
    assert problem.startswith("absences: absences of kind 'leave' must be in order")


def test_a_rule_without_a_source_names_an_interpretation() -> None:
    source = f'{NOTHING}\nsource = {{ document = "older", section = "Leave" }}'
    (problem,) = list_absence_problems(source, NOTHING)
    assert problem.startswith("absences[1]: name a source, or the interpretation")


def test_a_return_needs_a_status_to_return_from() -> None:
    before = "values = [{ from = 2000-01-01, hours = 15"
    asked = f'asked_of = "those who return from inactive status"\n{before}'
    (problem,) = list_absence_problems(before, asked)
    assert problem.endswith("there is no inactive status without absences of that kind")
    inactive = ABSENCES.replace('kind = "leave"', 'kind = "inactive"').replace(before, asked)
    assert parse_rulebook(RULEBOOK + inactive, "ex.toml")[1] == []
