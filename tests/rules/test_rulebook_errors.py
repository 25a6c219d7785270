"""What the tables of a rulebook can't say, in words; and what a rulebook has for a category."""

from datetime import date
from typing import Any

import pytest

from tests.rules.tables import (
    FIRST,
    LATER,
    MEMBERSHIP,
    NO_HOURS,
    RSC,
    SIGNED,
    SOURCE,
    Table,
    list_reasons,
    require,
    value,
)
from tracker.rules.model import (
    AcceptedProvider,
    Alternative,
    Category,
    CycleScheme,
    Document,
    FirstShare,
    Interpretation,
    RatingQuestion,
    Rulebook,
)
from tracker.rules.strict_model import StrictModel


def rate(**terms: Any) -> Table:  # noqa: ANN401 - what TOML has
    terms = {"scale": ["Rarely", "Often"], "from": FIRST, **terms}
    return {"id": "r", "asks": "How often?", "categories": ["IFS"], "source": SOURCE, **terms}


def interpret(*readings: int) -> Table:
    """An interpretation with two readings, and alternatives that are these readings."""
    table = {"id": "i", "section": "S", "says": "No day", "readings": ["A", "B"], "taken": "A"}
    alternatives = [{"reading": number, "set": {"a": 1}} for number in readings]
    return {**table, "since": FIRST, "alternatives": alternatives}


def scheme(*left_out: str, **terms: Any) -> Table:  # noqa: ANN401
    """A fixed cycle of one year that is due on its last day, with other terms."""
    table = {"kind": "fixed", "years": 1, "ends_on": date(2020, 12, 31), "grace_days": 31, **terms}
    return {"from": FIRST, **{key: each for key, each in table.items() if key not in left_out}}


def anniversary(**terms: Any) -> Table:  # noqa: ANN401
    return scheme("ends_on", kind="anniversary", **terms)


def accept(**terms: Any) -> Table:  # noqa: ANN401
    return {"source": SOURCE, **terms}


ROWS = [
    {"months": 4, "share": "1"},
    {"months": 8, "share": "3/4"},
    {"months": 12, "share": "1/2"},
]
TABLE = 'first_cycle_shares go with first_cycle = "fraction by table"'
BY_TABLE: Table = {"first_cycle": "fraction by table"}
IN_VAIN = (
    "first_cycle_from changes nothing if the first cycle requires all hours: remove it, or say in "
    "first_cycle or first_cycle_exempts what is required"
)
WHOLE = (
    "an anniversary cycle begins on the day of endorsement, so its first one is whole: remove "
    "first_cycle_from, and first_cycle_shares"
)
FIXED = "a fixed cycle needs ends_on (the last day of one cycle); others have none"
DUE = "give only one of due_days_after_end, due_days_before_end, and due_on"
GRACE = "give either grace_days (0 for no grace period) or grace_until"
LAST_ROW = (
    "the last row of first_cycle_shares has months = 12, but a cycle has 24: write months = 24 "
    "there"
)
WINDOW_DAY = (
    'must be a day of the year, such as "10-01", or days from the due date, at most 366: -90 is 90 '
    "days before it"
)
NO_DAY = (
    "due_on goes with fixed cycles, because anniversary cycles end on all days of the year: write "
    "due_days_before_end"
)
LENGTHEN = (
    "lengthens_on (a day of the cycles that are lengthened) and long_cycle (what they require) go "
    "together: give both or neither"
)
ACCEPT = "give either categories or vetted = true"
VETTED = (
    "degree and held_years go with categories: vetted = true accepts everyone whom the "
    "association has vetted. Leave them out, or write another accepts block"
)


def order(later: tuple[int, str], earlier: tuple[int, str]) -> str:
    return (
        "first_cycle_shares must have more months and no larger share in each row: "
        f"{later[0]} months with {later[1]} follow {earlier[0]} with {earlier[1]}"
    )


@pytest.mark.parametrize(
    ("form", "table", "reason"),
    [
        (
            Document,
            {"file": "0", "title": "T", "sections": ["A", "B", "A"]},
            "the section 'A' is listed more than once",
        ),
        (RatingQuestion, rate(scale=["Never", "Often", "Never"]), "'Never' is listed more than on"),
        (RatingQuestion, rate(until=date(2019, 12, 31)), "until (2019-12-31) is before from (2020"),
        (Alternative, {"reading": 2}, "give set or remove: what the reading would change"),
        (Interpretation, interpret(3), "reading 3 is not one of the 2 readings"),
        (Interpretation, interpret(2, 2), "reading 2 has more than one alternative"),
        (
            Category,
            {"name": "C", "becomes": ["IFS"]},
            "becomes goes with term_years, the years after which it ends: add it",
        ),
        (
            FirstShare,
            {"months": 1, "share": "5/4"},
            "5/4 is more than all hours: write a fraction of at most 1",
        ),
        (CycleScheme, scheme(**BY_TABLE), TABLE),
        (CycleScheme, scheme(first_cycle_shares=ROWS), TABLE),
        (
            CycleScheme,
            scheme(**BY_TABLE, years=2, first_cycle_shares=ROWS),
            LAST_ROW,
        ),
        (
            CycleScheme,
            scheme(**BY_TABLE, first_cycle_shares=[ROWS[-1], ROWS[-1]]),
            order((12, "1/2"), (12, "1/2")),
        ),
        (
            CycleScheme,
            scheme(**BY_TABLE, first_cycle_shares=[{**ROWS[0], "share": "1/3"}, ROWS[-1]]),
            order((12, "1/2"), (4, "1/3")),
        ),
        (CycleScheme, scheme(first_cycle_from="application"), IN_VAIN),
        (
            CycleScheme,
            anniversary(first_cycle_from="application", first_cycle="no hours"),
            WHOLE,
        ),
        (CycleScheme, anniversary(**BY_TABLE, first_cycle_shares=ROWS), WHOLE),
        (
            CycleScheme,
            scheme(first_cycle="no hours", first_cycle_months_before=1),
            "the first cycle requires no hours: remove first_cycle_months_before",
        ),
        (CycleScheme, scheme("ends_on"), FIXED),
        (CycleScheme, scheme(kind="anniversary"), FIXED),
        (
            CycleScheme,
            anniversary(due_on="11-30"),
            NO_DAY,
        ),
        (CycleScheme, scheme(due_days_after_end=1, due_days_before_end=1), DUE),
        (CycleScheme, scheme(due_days_before_end=1, due_on="11-30"), DUE),
        (CycleScheme, scheme(due_days_after_end=1, due_on="11-30"), DUE),
        (CycleScheme, scheme("grace_days"), GRACE),
        (CycleScheme, scheme(grace_days=0, grace_until="01-31"), GRACE),
        (
            CycleScheme,
            scheme(submission_closes="01-31"),
            "submission_closes needs submission_opens: when the submission opens",
        ),
        (
            CycleScheme,
            scheme(submission_opens=1),
            "submission_opens = 1 is after the due date: write -1 for 1 day before it",
        ),
        (
            CycleScheme,
            scheme(submission_opens=-5, submission_closes=-6),
            "submission_closes = -6 is before submission_opens = -5",
        ),
        (CycleScheme, scheme(submission_opens=-367), WINDOW_DAY),
        (CycleScheme, scheme(submission_opens=-366, submission_closes=367), WINDOW_DAY),
        (CycleScheme, scheme(submission_opens=-1.5), WINDOW_DAY),
        (CycleScheme, scheme(lengthens_on=FIRST), LENGTHEN),
        (CycleScheme, scheme(long_cycle="all hours"), LENGTHEN),
        (AcceptedProvider, accept(), ACCEPT),
        (AcceptedProvider, accept(categories=["IFS"], vetted=True), ACCEPT),
        (AcceptedProvider, accept(vetted=True, degree="master"), VETTED),
        (AcceptedProvider, accept(vetted=True, held_years=1), VETTED),
        (
            AcceptedProvider,
            accept(vetted=True, **{"from": LATER}, until=FIRST),
            "until (2020-01-01) is before from (2026-01-01)",
        ),
    ],
)
def test_tables_are_refused_with_what_to_write(
    form: type[StrictModel], table: Table, reason: str
) -> None:
    [found] = list_reasons(form, table)
    assert found.startswith(reason)


APPLIED: Table = {"first_cycle_from": "application"}
HALVES = [{**ROWS[1], "share": "1/2"}, ROWS[-1]]


@pytest.mark.parametrize(
    ("form", "table"),
    [
        (Document, {"file": "0", "title": "T", "sections": ["A", "B"]}),
        (RatingQuestion, rate(until=FIRST)),
        (Alternative, {"reading": 2, "set": {"a": 1}}),
        (Alternative, {"reading": 2, "remove": ["a"]}),
        (Interpretation, interpret(1, 2)),
        (Category, {"name": "C", "becomes": ["IFS"], "term_years": 3}),
        (FirstShare, {"months": 1, "share": "1"}),
        (CycleScheme, scheme(**BY_TABLE, first_cycle_shares=HALVES)),
        (CycleScheme, scheme(**BY_TABLE, first_cycle_shares=ROWS, **APPLIED)),
        (CycleScheme, scheme(**APPLIED, first_cycle_exempts=["training"])),
        (CycleScheme, scheme(**APPLIED, first_cycle="no hours")),
        (CycleScheme, scheme(first_cycle_months_before=1)),
        (CycleScheme, anniversary(first_cycle="no hours")),
        (CycleScheme, anniversary(due_days_before_end=1)),
        (CycleScheme, scheme("grace_days", grace_until="01-31", due_on="11-30")),
        (CycleScheme, scheme(grace_days=0, due_days_after_end=1)),
        (CycleScheme, scheme(submission_opens=0, submission_closes=0)),
        (CycleScheme, scheme(submission_opens="10-01", submission_closes=-34)),
        (CycleScheme, scheme(submission_opens=-5, submission_closes="01-31")),
        (CycleScheme, scheme(submission_opens=-366, submission_closes=366)),
        (CycleScheme, scheme(lengthens_on=FIRST, long_cycle="all hours")),
        (AcceptedProvider, accept(categories=["IFS"], degree="master", held_years=1)),
        (AcceptedProvider, accept(vetted=True, **{"from": FIRST}, until=FIRST)),
    ],
)
def test_tables_that_fit_are_accepted(form: type[StrictModel], table: Table) -> None:
    assert list_reasons(form, table) == []


def test_questions_are_asked_through_their_last_day() -> None:
    question = RatingQuestion.model_validate(rate(until=LATER))
    days = (date(2019, 12, 31), FIRST, LATER, date(2026, 1, 2))
    assert [question.is_asked("IFS", day) for day in days] == [False, True, True, False]
    assert not question.is_asked("IMHS", FIRST)
    assert RatingQuestion.model_validate(rate()).is_asked("IFS", date(2026, 1, 2))


def test_providers_are_accepted_through_their_last_day() -> None:
    accepted = AcceptedProvider.model_validate(accept(vetted=True, **{"from": FIRST}, until=LATER))
    days = (date(2019, 12, 31), FIRST, LATER, date(2026, 1, 2))
    assert [accepted.is_open(day) for day in days] == [False, True, True, False]
    always = AcceptedProvider.model_validate(accept(vetted=True))
    assert all(always.is_open(day) for day in days)


@pytest.mark.parametrize(
    ("terms", "expected"), [({}, False), ({"beside": ["IFS"]}, True), ({"term_years": 2}, True)]
)
def test_categories_can_end_by_rule(terms: Table, *, expected: bool) -> None:
    assert Category.model_validate({"name": "C", **terms}).ends_by_rule == expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [({}, False), ({"held_counts": ["other category"]}, True), ({"held_break_days": 1}, True)],
)
def test_a_cycle_can_count_years_held(terms: Table, *, expected: bool) -> None:
    assert CycleScheme.model_validate(scheme(**terms)).counts_years == expected


def book(**terms: Any) -> Table:  # noqa: ANN401
    """A rulebook of two categories."""
    categories = {"IFS": {"name": "Specialist"}, "IMHS": {"name": "Mental health specialist"}}
    return {
        "id": "EX",
        "name": "Example",
        "time_zone": "America/New_York",
        "categories": categories,
        **terms,
    }


CERTIFICATE: Table = {
    "issuer": "I",
    "signatory": "S",
    "title": "T",
    "wording": "W",
    "source": SOURCE,
}
LEAVE: Table = {"kind": "leave", "excuses": "nothing", "source": SOURCE}
INACTIVE: Table = {**LEAVE, "kind": "inactive"}
REMOVAL: Table = {"after_days": 1, "source": SOURCE}
FOLLOWS = "must be in order of their from dates: 2020-01-01 follows 2026-01-01"


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (
            {"time_zone": "America/Hartford"},
            "'America/Hartford' is not a time zone: use an IANA name such as America/New_York",
        ),
        (
            {"locale": "xx_YY"},
            "'xx_YY' is not a locale: use a language and a country such as en_US",
        ),
        (
            {"locale": "english please"},
            "'english please' is not a locale: use a language and a country such as en_US",
        ),
        (
            {"currency": "US$"},
            "'US$' is not a currency: use a code of three letters such as USD",
        ),
        ({"cycles": [{**scheme(), "from": LATER}, scheme()]}, f"cycles {FOLLOWS}"),
        (
            {"certificates": [{**CERTIFICATE, "from": day} for day in (LATER, FIRST)]},
            f"certificates {FOLLOWS}",
        ),
        ({"removals": [{**REMOVAL, "from": day} for day in (LATER, FIRST)]}, f"removals {FOLLOWS}"),
        (
            {"reinstatements": [{"source": SOURCE, "from": day} for day in (LATER, FIRST)]},
            f"reinstatements {FOLLOWS}",
        ),
        (
            {"absences": [{**LEAVE, "from": day} for day in (LATER, FIRST)]},
            f"absences of kind 'leave' {FOLLOWS}",
        ),
    ],
)
def test_a_rulebook_is_refused_with_what_to_write(terms: Table, reason: str) -> None:
    assert list_reasons(Rulebook, book(**terms)) == [reason]


def test_absences_of_each_kind_are_in_order() -> None:
    absences = [{**LEAVE, "from": FIRST}, {**INACTIVE, "from": LATER}, {**LEAVE, "from": LATER}]
    rulebook = Rulebook.model_validate(book(absences=absences))
    days = (date(2019, 12, 31), FIRST, date(2025, 12, 31), LATER)
    leave, inactive = (
        [rule and rule.starts_from for rule in (rulebook.absence_rule(kind, day) for day in days)]
        for kind in ("leave", "inactive")
    )
    assert leave == [None, FIRST, FIRST, LATER]
    assert inactive == [None, None, None, LATER]


def test_certificates_follow_the_last_rule_that_began() -> None:
    rules = [
        {**CERTIFICATE, "from": FIRST, "until": date(2024, 12, 31)},
        {**CERTIFICATE, "from": LATER, "categories": ["IMHS"]},
    ]
    rulebook = Rulebook.model_validate(book(certificates=rules))
    days = (date(2019, 12, 31), FIRST, date(2024, 12, 31), date(2025, 1, 1), LATER)
    for category, expected in (
        ("IFS", [None, FIRST, FIRST, None, None]),
        ("IMHS", [None, FIRST, FIRST, None, LATER]),
    ):
        found = [rulebook.certificate_rule(category, day) for day in days]
        assert [rule and rule.starts_from for rule in found] == expected


@pytest.mark.parametrize(
    ("terms", "currency"),
    [
        ({}, "USD"),
        ({"locale": "en_CA"}, "CAD"),
        ({"locale": "es"}, ""),
        ({"locale": "es", "currency": "EUR"}, "EUR"),
        ({"locale": "en_CA", "currency": "EUR"}, "EUR"),
        ({"locale": "en_150"}, ""),
    ],
)
def test_fees_are_in_the_currency_of_the_country(terms: Table, currency: str) -> None:
    assert Rulebook.model_validate(book(**terms)).currency_code == currency


def test_topics_are_those_that_requirements_count_or_limit() -> None:
    cap = {"topic": "SELF-STUDY", "values": [value()]}
    peer_cap = {"formats": ["peer"], "values": [value()]}
    requirements = [
        require(caps=[cap]),
        require(id="deia", topic="DEIA"),
        require(id="others", of="application", besides=["ETHICS"]),
        require(id="given", **RSC, of="application", topic="RSC-GIVEN"),
        require(id="rsc", **RSC, caps=[peer_cap]),
    ]
    rulebook = Rulebook.model_validate(book(requirements=requirements))
    assert rulebook.topics == {"SELF-STUDY", "DEIA", "ETHICS"}
    assert rulebook.rsc_topics == {"RSC-GIVEN"}


def test_years_that_matter_are_those_of_a_category() -> None:
    values = [
        value(),
        value(held_years=5),
        value(held_years=3),
        value(LATER, held_years=5),
        value(held_years=8, categories=["IMHS"]),
    ]
    rulebook = Rulebook.model_validate(book(requirements=[require(*values)]))
    assert rulebook.years_that_matter("IFS") == (3, 5)
    assert rulebook.years_that_matter("IMHS") == (3, 5, 8)


def test_requirements_and_fees_are_those_of_a_purpose() -> None:
    fee = {"label": "Fee", "how_to_pay": "By check"}
    amount = {"values": [{"from": FIRST, "amount": 50, "source": SOURCE}]}
    fees = [
        {"id": "renewal", "categories": ["IFS"], **fee, **amount},
        {"id": "back", "categories": ["IFS"], "of": "reinstatement", **fee, **amount},
        {"id": "other", "categories": ["IMHS"], **fee, **amount},
    ]
    requirements = [
        require(),
        require(id="first", of="application"),
        require(id="other", categories=["IMHS"]),
    ]
    rulebook = Rulebook.model_validate(book(fees=fees, requirements=requirements))
    assert [each.id for each in rulebook.requirements_of("IFS")] == ["training"]
    assert [each.id for each in rulebook.requirements_of("IFS", "application")] == ["first"]
    assert [each.id for each in rulebook.fees_of("IFS")] == ["renewal"]
    assert [each.id for each in rulebook.fees_of("IFS", "reinstatement")] == ["back"]


def test_hours_of_each_year_have_an_id() -> None:
    requirements = [
        require(id="first"),
        require(each_year=True),
        require(value(**NO_HOURS), id="own", **MEMBERSHIP, each_year=True),
        require(value(**NO_HOURS), id="ethics", **SIGNED),
    ]
    rulebook = Rulebook.model_validate(book(requirements=requirements))
    assert rulebook.renewal_ids("IFS") == ["first", "training.1", "own", "ethics"]
    cycles = [scheme(years=2), {**scheme(), "from": LATER}]
    rulebook = Rulebook.model_validate(book(requirements=requirements, cycles=cycles))
    ids = ["first", "training.1", "training.2", "own", "ethics"]
    assert rulebook.renewal_ids("IFS") == ids
