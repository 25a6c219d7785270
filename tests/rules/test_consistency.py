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
