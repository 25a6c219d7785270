"""What a rulebook requires in words: amounts, for whom, and each condition."""

import tomllib
from datetime import date
from typing import Any

import pytest

from tracker.rules.description import (
    describe_accepted,
    describe_membership,
    describe_providers,
    describe_sessions,
    describe_terms,
    format_amount,
    format_for_whom,
)
from tracker.rules.membership import MembershipRule
from tracker.rules.model import AcceptedProvider, Rulebook
from tracker.rules.requirement import Requirement, Value

SOURCE = {"document": "guide", "section": "Hours"}
FIRST = date(2000, 1, 1)
WORDS = """
id = "EX-AIMH"
name = "Example"
time_zone = "America/New_York"

[categories]
"IFS" = { name = "Infant Family Specialist" }
"IFRS" = { name = "Infant Family Reflective Supervisor" }

[providers.rsc]
says = "endorsed as IFRS"
accepts = [{ categories = ["IFRS"], source = { document = "guide", section = "Hours" } }]

[memberships.any]
says = "any association"
any_infant_mental_health_association = true
grace_days = 31

[services]
prevention = "Prevention services"
therapy = "Therapies"

[roles]
supervisor = "Current supervisor"
colleague = "Colleague"

[attestations]
ethics = "Code of Ethics"
hours = "I completed the hours"

[topic_names]
DEIA = "Diversity and inclusion"

[[fees]]
id = "renewal"
label = "Renewal fee"
how_to_pay = "Mail a check"
categories = ["IFS"]
values = [{ from = 2000-01-01, amount = 50, source = { document = "guide", section = "Fees" } }]

[[fees]]
id = "renewal"
label = "Supervisors' fee"
how_to_pay = "Mail a check"
categories = ["IFRS"]
values = [{ from = 2000-01-01, amount = 50, source = { document = "guide", section = "Fees" } }]
"""


def value_of(**keys: Any) -> Value:  # noqa: ANN401
    return Value.model_validate({"from": FIRST, "source": SOURCE, **keys})


def require(counts: str, **keys: Any) -> Requirement:  # noqa: ANN401
    """A requirement of IFS, in a renewal unless ``of`` is given."""
    amounts: dict[str, dict[str, object]] = {
        "training": {"hours": 15},
        "rsc": {"hours": 12},
        "work": {"years": 2},
    }
    defaults = {
        "id": counts,
        "label": counts,
        "about": counts,
        "categories": ["IFS"],
        "counts": counts,
        "values": [{"from": FIRST, "source": SOURCE, **amounts.get(counts, {})}],
    }
    return Requirement.model_validate(defaults | keys)


def list_terms(requirement: Requirement, *others: Requirement) -> list[str]:
    data = tomllib.loads(WORDS)
    rulebook = Rulebook.model_validate(data | {"requirements": (requirement, *others)})
    return list(describe_terms(rulebook, requirement))


@pytest.mark.parametrize(
    ("keys", "unit", "words"),
    [
        ({"hours": 1.5}, None, "1.5 hours"),
        ({"months": 1}, None, "1 calendar month"),
        ({"years": 1}, None, "1 year"),
        ({"years": 1.5}, None, "1.5 years"),
        ({"years": 2.0}, None, "2 years"),
        ({"many": 10}, "families", "at least 10 families"),
        ({"many": 2}, None, "at least 2 positions"),
        ({}, None, "required"),
        ({"asked": False}, None, "no longer required"),
        ({"asked": False, "held_years": 9}, None, "not required"),
    ],
)
def test_amount_of_a_value_in_words(keys: dict[str, Any], unit: str | None, words: str) -> None:
    requirement = require("work", of="application", work={"services": ["prevention"]})
    assert format_amount(requirement.model_copy(update={"unit": unit}), value_of(**keys)) == words


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, ""),
        ({"categories": ["IFS", "IFRS"]}, "for IFS and IFRS"),
        ({"held_years": 1}, "for endorsements held for 1 year or more"),
        ({"categories": ["IFS"], "held_years": 3}, "for IFS held for 3 years or more"),
    ],
)
def test_whom_a_value_is_for_in_words(keys: dict[str, Any], words: str) -> None:
    assert format_for_whom(value_of(**keys)) == words


@pytest.mark.parametrize(
    ("keys", "providers", "days"),
    [
        ({"vetted": True}, "vetted by the association", "on any day"),
        (
            {"vetted": True, "associations": ["A", "B"], "from": FIRST},
            "vetted by A or B",
            "from January 1, 2000",
        ),
        (
            {"categories": ["IFS", "IFRS"], "from": FIRST, "until": date(2027, 12, 21)},
            "IFS, IFRS",
            "from January 1, 2000 through December 21, 2027",
        ),
        (
            {"categories": ["IFS"], "degree": "master", "associations": ["A"], "held_years": 2},
            (
                "IFS with at least a master's degree endorsed by A, held for at least 2 years "
                "without a break"
            ),
            "on any day",
        ),
    ],
)
def test_accepted_providers_in_words(keys: dict[str, Any], providers: str, days: str) -> None:
    accepted = AcceptedProvider.model_validate({"source": SOURCE, **keys})
    assert describe_accepted(accepted) == f"{providers}, {days}"
    assert describe_providers(accepted) == providers


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({"kinds": ["agency", "individual"]}, []),
        ({"kinds": ["agency"]}, ["only agency memberships count"]),
        ({"grace_days": 1}, ["a membership counts through the 1 day after its last day"]),
        (
            {"grace_until": "01-31"},
            ["a membership counts through the first January 31 after its last day"],
        ),
    ],
)
def test_memberships_that_count_in_words(keys: dict[str, Any], lines: list[str]) -> None:
    rule = MembershipRule.model_validate({"says": "EX", "organizations": ["EX"], **keys})
    assert list(describe_membership(rule)) == lines


def test_limits_in_words_are_those_of_the_day() -> None:
    values = [
        {"from": FIRST, "hours": 6, "source": SOURCE},
        {"from": date(2020, 1, 1), "asked": False, "source": SOURCE},
    ]
    peers = require("rsc", providers="rsc", caps=[{"formats": ["group", "peer"], "values": values}])
    assert list(describe_sessions(peers)) == [
        "at most 6 hours of group and peer sessions, from January 1, 2000",
        "no limit of group and peer sessions, from January 1, 2020",
    ]
    assert list(describe_sessions(peers, date(2019, 12, 31))) == [
        "at most 6 hours of group and peer sessions count"
    ]
    alone = require("training", caps=[{"topic": "SELF-STUDY", "values": values[:1]}])
    assert list(describe_sessions(alone, FIRST)) == ["at most 6 hours about SELF-STUDY count"]


@pytest.mark.parametrize(
    ("requirement", "lines"),
    [
        (require("training"), []),
        (
            require("training", topic="DEIA"),
            ["hours about: Diversity and inclusion; they are part of the others"],
        ),
        (
            require("training", of="application", besides=["DEIA", "RSC"]),
            ["hours about these topics do not count here: Diversity and inclusion; RSC"],
        ),
        (
            require("rsc", of="application", providers="rsc", topic="DEIA"),
            [
                "hours about: Diversity and inclusion",
                "with a provider who is, on the day of the session: endorsed as IFRS",
            ],
        ),
        (
            require("rsc", of="application", providers="rsc", topic="DEIA", inside="all"),
            [
                "hours about: Diversity and inclusion; they are part of the others",
                "with a provider who is, on the day of the session: endorsed as IFRS",
            ],
        ),
        (
            require(
                "rsc",
                providers="rsc",
                formats=["group"],
                each_year=True,
                values=[{"from": FIRST, "months": 9, "source": SOURCE}],
            ),
            [
                "with a provider who is, on the day of the session: endorsed as IFRS",
                "only group sessions count",
                "different calendar months with at least one session that counts",
                "in each year of the cycle, counted from its first day",
                "a year that begins before the endorsement requires nothing",
            ],
        ),
        (
            require("membership", membership="any", each_year=True),
            [
                "membership in any association",
                "a membership counts through the 31 days after its last day",
                "each year of the cycle",
            ],
        ),
        (
            require("training", asked_of="those who return from leave"),
            ["only in the cycle in which a leave ended"],
        ),
        (
            require("training", asked_of="those who return from inactive status"),
            ["only in the cycle in which inactive status ended"],
        ),
        (
            require("training", asked_of="those who provide RSC"),
            ["only for those who provide RSC"],
        ),
        (
            require("training", attested_by="hours"),
            [
                (
                    "what is not on record is met if this is signed with the renewal: "
                    "I completed the hours"
                )
            ],
        ),
        (
            require("signed", of="application", signed=["ethics", "hours"], reviewed=True),
            ["signed: Code of Ethics; I completed the hours", "the reviewers decide"],
        ),
        (require("submitted"), ["the endorsee submits the renewal"]),
        (require("paid", fee="renewal"), ["paid: Renewal fee and Supervisors' fee"]),
    ],
)
def test_terms_of_a_requirement_in_words(requirement: Requirement, lines: list[str]) -> None:
    assert list_terms(requirement) == lines


@pytest.mark.parametrize(
    ("purpose", "window", "line"),
    [
        (
            "application",
            {"months": 24},
            "sessions count only within the best span of 24 months",
        ),
        (
            "application",
            {"after": "master"},
            "sessions count from the day of a master's degree or a higher degree",
        ),
        (
            "application",
            {"while_giving": True},
            "sessions count on days on which the applicant provided RSC to others",
        ),
        (
            "reinstatement",
            {"months": 1},
            "sessions of the 1 month before the reinstatement is submitted count",
        ),
        (
            "reinstatement",
            {"since": "removal"},
            "sessions count starting on the day of the removal",
        ),
    ],
)
def test_window_of_sessions_in_words(purpose: str, window: dict[str, Any], line: str) -> None:
    requirement = require("rsc", of=purpose, providers="rsc", window=window)
    assert list_terms(requirement)[1:] == [line]


def test_alternatives_of_a_category_in_words() -> None:
    study = {"levels": ["bachelor"]}
    degree = require("education", of="application", either="e", education=study, label="Degree")
    others = [
        degree.model_copy(update={"label": "A longer degree"}),
        degree.model_copy(update={"label": "Elsewhere", "categories": ("IFRS",)}),
        degree.model_copy(update={"label": "Besides", "either": "other"}),
        degree.model_copy(update={"label": "Always", "either": None}),
        degree.model_copy(update={"label": "To come back", "of": "reinstatement"}),
    ]
    assert list_terms(degree, *others) == [
        "not needed if “A longer degree” is met, or if the reviewers accept it",
        "one of: a bachelor's degree",
    ]
    assert list_terms(others[3], degree) == ["one of: a bachelor's degree"]


@pytest.mark.parametrize(
    ("counts", "keys", "lines"),
    [
        (
            "education",
            {
                "levels": ["associate", "doctorate"],
                "reviewed": ["certificate", "specialization"],
                "transcript": "official",
            },
            [
                "one of: an associate's degree; a doctorate",
                "if the reviewers agree: a university certificate; a postgraduate specialization",
                "with an official transcript",
            ],
        ),
        (
            "work",
            {"services": ["prevention", "therapy"], "paid": False},
            ["work that offers one of: Prevention services; Therapies"],
        ),
        (
            "work",
            {
                "services": ["prevention"],
                "ages": "birth to 36 months",
                "volunteer": True,
                "beyond_paid": True,
                "supervised": True,
                "after": "bachelor",
                "statements": {"a": "It was in a clinic", "b": "It was at a home"},
                "internship": {"years": 1, "supervisors": ["IFS", "IFRS"]},
            },
            [
                "work that offers one of: Prevention services",
                "for children birth to 36 months",
                "paid",
                "or as a supervised and trained volunteer, if the reviewers agree",
                "some of it in addition to paid work; if all of it is paid, the reviewers decide",
                "supervised",
                "days count starting on the day of a bachelor's degree or a higher degree",
                "confirmed for each position: It was in a clinic",
                "confirmed for each position: It was at a home",
                (
                    "an internship may replace at most 1 year of work, if its supervisor was "
                    "endorsed as IFS or IFRS and the reviewers agree"
                ),
            ],
        ),
        (
            "references",
            {
                "slots": [["supervisor"], ["supervisor", "colleague"]],
                "instead": [[["colleague"], ["colleague"]]],
                "endorsed": 1,
                "categories": ["IFS", "IFRS"],
                "vetted": True,
                "vetted_until": date(2027, 12, 21),
                "endorsed_roles": ["supervisor", "colleague"],
            },
            [
                "reference 1: Current supervisor",
                "reference 2: Current supervisor; Colleague",
                "instead, if the reviewers agree: Colleague, then Colleague",
                (
                    "at least 1 endorsed as one of IFS, IFRS or vetted by the association (through "
                    "December 21, 2027)"
                ),
                "always endorsed: Current supervisor; Colleague",
            ],
        ),
        (
            "references",
            {"slots": [["supervisor"]], "endorsed": 1, "categories": ["IFS"]},
            ["reference 1: Current supervisor", "at least 1 endorsed as one of IFS"],
        ),
    ],
)
def test_terms_of_an_application_in_words(
    counts: str, keys: dict[str, Any], lines: list[str]
) -> None:
    assert list_terms(require(counts, of="application", **{counts: keys})) == lines
