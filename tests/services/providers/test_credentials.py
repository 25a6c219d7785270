"""What coordinators record of providers: vetting, and endorsements elsewhere."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import sqlalchemy
from sqlmodel import col, select

from tests.rules.case_data import insert_row
from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import BOB, BOOKS, CAROL, DANA, EVE, NOW, Cast
from tracker.db.people import Person, Vetting
from tracker.db.providers import OutsideEndorsement
from tracker.db.tables import METADATA
from tracker.rulebooks import with_rulebook
from tracker.rules.model import AcceptedProvider, ProviderRule
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.provider_credentials import (
    NewCredential,
    accepts_vetting_elsewhere,
    add_credential,
    change_outside_endorsement,
    check_credential,
    list_categories,
    remove_outside_endorsement,
)

SINCE, DAY_BEFORE = date(2024, 1, 1), date(2023, 12, 31)
ELSEWHERE = NewCredential(SINCE, None, "MI-AIMH", "IMHM-C")
STARTS = {"starts_on": SINCE}
# The first day of another record.
NEXT = date(2026, 1, 1)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def short_rsc(context: ServiceContext, cast: Cast) -> int:
    """The minutes that Bob is short of."""
    table = METADATA.tables["standing"]
    query = sqlalchemy.select(table.c.short_minutes).where(
        table.c.endorsement_id == cast.endorsements[BOB],
        table.c.cycle_starts_on == date(2026, 1, 1),
    )
    return int(context.session.connection().execute(query).scalar_one())


def log_with(context: ServiceContext, cast: Cast, provider: str) -> None:
    """Let Bob log two hours with a provider."""
    insert_row(
        context.session,
        "entry",
        person_id=cast.people[BOB],
        activity="rsc",
        held_on=date(2026, 3, 1),
        minutes=120,
        title="RSC",
        provider_id=cast.people[provider],
    )


def add_elsewhere(context: ServiceContext, cast: Cast, **values: object) -> int:
    """Store Dana's endorsement elsewhere, or another one."""
    row = {
        "person_id": cast.people[DANA],
        "known_to": "NCIMHA",
        "association": "MI-AIMH",
        "category": "IMHM-C",
        "starts_on": SINCE,
        "recorded_by": CAROL,
        **values,
    }
    return insert_row(context.session, "outside_endorsement", **row)


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        (
            NewCredential(SINCE, date(2026, 12, 31)),
            {"starts_on": "2024-01-01", "ends_on": "2026-12-31", "association": "NCIMHA"},
        ),
        (
            ELSEWHERE,
            {
                "starts_on": "2024-01-01",
                "ends_on": None,
                "known_to": "NCIMHA",
                "association": "MI-AIMH",
                "category": "IMHM-C",
            },
        ),
    ],
)
def test_a_recorded_credential_makes_sessions_count(
    carol: ServiceContext, cast: Cast, new: NewCredential, stored: dict[str, object]
) -> None:
    log_with(carol, cast, EVE)
    eve, table = cast.people[EVE], "outside_endorsement" if new.category else "vetting"
    evaluate_people(carol.session, BOOKS, {cast.people[BOB]}, NOW)
    short = short_rsc(carol, cast)
    add_credential(carol, "NCIMHA", eve, new)
    [event] = list_changes(carol.session, table)
    assert event == LoggedChange(CAROL, event.row_id, None, {"person_id": eve, **stored})
    assert short_rsc(carol, cast) == short - 120
    if new.category:
        [outside] = carol.session.exec(select(OutsideEndorsement))
        assert outside.recorded_by == CAROL


@pytest.mark.parametrize("first", ["2020-01-01", "2024-06-30"])
def test_kinds_of_credentials_do_not_overlap(carol: ServiceContext, cast: Cast, first: str) -> None:
    """A day apart they may follow each other; other kinds, and other people's, are no matter."""
    dana = cast.people[DANA]
    add_elsewhere(carol, cast, starts_on=date(2024, 1, 1), ends_on=date(2024, 6, 30))
    starts_on = date.fromisoformat(first)
    for ends_on in (None, date(2024, 1, 1)) if first < "2024" else (None, date(2024, 7, 5)):
        new = replace(ELSEWHERE, starts_on=starts_on, ends_on=ends_on)
        with pytest.raises(Refused) as refused:
            add_credential(carol, "NCIMHA", dana, new)
        facts = {"name": "Dana Ruiz", "starts_on": SINCE}
        assert refused.value.refusals == (Refusal("starts_on", "credential-known", facts),)
    add_credential(carol, "NCIMHA", dana, replace(ELSEWHERE, starts_on=date(2024, 7, 1)))
    before = replace(ELSEWHERE, starts_on=date(2020, 1, 1), ends_on=DAY_BEFORE)
    add_credential(carol, "NCIMHA", dana, before)
    for other in (replace(ELSEWHERE, category="IMHS"), replace(ELSEWHERE, association="Ohio")):
        add_credential(carol, "NCIMHA", dana, other)
    log_with(carol, cast, EVE)
    add_credential(carol, "NCIMHA", cast.people[EVE], ELSEWHERE)


def test_vetting_is_open_or_ends(carol: ServiceContext, cast: Cast) -> None:
    """Dana has been vetted since 2020, without an end."""
    dana = carol.session.get_one(Person, cast.people[DANA])
    # Another process changes the name meanwhile.
    renamed = sqlalchemy.update(Person).where(col(Person.id) == dana.id).values(name="Dana Hill")
    carol.session.connection().execute(renamed)
    for new in (NewCredential(date(2026, 1, 1)), NewCredential(SINCE, SINCE)):
        with pytest.raises(Refused, match="credential-known") as refused:
            add_credential(carol, "NCIMHA", cast.people[DANA], new)
        assert refused.value.refusals[0].facts["name"] == "Dana Hill"
    add_credential(
        carol, "NCIMHA", cast.people[DANA], NewCredential(date(2019, 1, 1), date(2019, 12, 31))
    )
    vetted = carol.session.exec(select(Vetting).order_by(col(Vetting.starts_on))).all()
    assert [row.starts_on for row in vetted] == [date(2019, 1, 1), date(2020, 1, 1)]


def test_credentials_are_recorded_of_own_providers(carol: ServiceContext, cast: Cast) -> None:
    """Of nobody else's, not of the coordinator, and by no other association."""
    with pytest.raises(Refused, match="category-unknown"):
        add_credential(carol, "NCIMHA", cast.people[DANA], replace(ELSEWHERE, category="XYZ"))
    for association, email in (("NCIMHA", EVE), ("CT-AIMH", DANA)):
        with pytest.raises(NotFound):
            add_credential(carol, association, cast.people[email], ELSEWHERE)
    dana = replace(carol, actor=replace(carol.actor, person_id=cast.people[DANA]))
    number = add_elsewhere(carol, cast)
    other = add_elsewhere(carol, cast, known_to="CT-AIMH")
    with pytest.raises(Refused, match="own-decision"):
        add_credential(dana, "NCIMHA", cast.people[DANA], ELSEWHERE)
    with pytest.raises(Refused, match="own-decision"):
        change_outside_endorsement(dana, number, None)
    with pytest.raises(Refused, match="own-decision"):
        remove_outside_endorsement(dana, number)
    for absent in (other, 999_999):
        with pytest.raises(NotFound):
            change_outside_endorsement(carol, absent, None)
        with pytest.raises(NotFound):
            remove_outside_endorsement(carol, absent)
    assert len(carol.session.exec(select(OutsideEndorsement)).all()) == 2


def test_an_endorsement_elsewhere_ends_and_is_removed(carol: ServiceContext, cast: Cast) -> None:
    log_with(carol, cast, EVE)
    eve = cast.people[EVE]
    add_credential(carol, "NCIMHA", eve, ELSEWHERE)
    [row] = carol.session.exec(select(OutsideEndorsement))
    stored = {
        "person_id": eve,
        "known_to": "NCIMHA",
        "association": "MI-AIMH",
        "category": "IMHM-C",
        "starts_on": "2024-01-01",
        "ends_on": None,
    }
    short = short_rsc(carol, cast)
    change_outside_endorsement(carol, row.id, SINCE)
    assert short_rsc(carol, cast) == short + 120
    change_outside_endorsement(carol, row.id, None)
    assert short_rsc(carol, cast) == short
    remove_outside_endorsement(carol, row.id)
    assert short_rsc(carol, cast) == short + 120
    number, ended = row.id, {**stored, "ends_on": "2024-01-01"}
    assert list_changes(carol.session, "outside_endorsement") == [
        LoggedChange(CAROL, number, None, stored),
        LoggedChange(CAROL, number, stored, ended),
        LoggedChange(CAROL, number, ended, stored),
        LoggedChange(CAROL, number, stored, None),
    ]


@pytest.mark.parametrize(
    ("ends_on", "refusal"),
    [
        (DAY_BEFORE, Refusal("ends_on", "ends-before-start", STARTS)),
        (date(2026, 1, 1), Refusal("ends_on", "credential-follows", {"starts_on": NEXT})),
        (None, Refusal("ends_on", "credential-follows", {"starts_on": NEXT})),
        (date(2025, 12, 31), None),
        (SINCE, None),
    ],
)
def test_a_last_day_lies_between_two_records(
    carol: ServiceContext, cast: Cast, ends_on: date | None, refusal: Refusal | None
) -> None:
    number = add_elsewhere(carol, cast, ends_on=date(2024, 6, 30))
    add_elsewhere(carol, cast, starts_on=NEXT)
    add_elsewhere(carol, cast, starts_on=date(2022, 1, 1), ends_on=date(2022, 1, 1))
    for other in ({"category": "IMHS"}, {"association": "Ohio"}, {"known_to": "CT-AIMH"}):
        add_elsewhere(carol, cast, starts_on=date(2024, 7, 1), **other)
    if refusal is None:
        change_outside_endorsement(carol, number, ends_on)
        assert carol.session.get_one(OutsideEndorsement, number).ends_on == ends_on
        return
    with pytest.raises(Refused) as refused:
        change_outside_endorsement(carol, number, ends_on)
    assert refused.value.refusals == (refusal,)


@pytest.mark.parametrize(
    ("new", "refusals"),
    [
        (NewCredential(SINCE, SINCE), []),
        (NewCredential(SINCE, DAY_BEFORE), [Refusal("ends_on", "ends-before-start", STARTS)]),
        (replace(ELSEWHERE, association="x" * 100), []),
        (
            replace(ELSEWHERE, association="x" * 101),
            [Refusal("elsewhere", "text-too-long", {"limit": 100})],
        ),
        (
            NewCredential(SINCE, DAY_BEFORE, "NCIMHA", "XYZ"),
            [
                Refusal("ends_on", "ends-before-start", STARTS),
                Refusal("elsewhere", "endorsement-not-elsewhere", {"association": "NCIMHA"}),
                Refusal("category", "category-unknown"),
            ],
        ),
        (replace(ELSEWHERE, category=""), [Refusal("category", "category-unknown")]),
    ],
)
def test_wrong_credentials_have_every_reason(new: NewCredential, refusals: list[Refusal]) -> None:
    assert check_credential(BOOKS, "NCIMHA", new) == refusals


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ({"vetted": True, "associations": ["MI-AIMH"]}, True),
        ({"vetted": True, "associations": ["NCIMHA", "MI-AIMH"]}, True),
        ({"vetted": True, "associations": ["NCIMHA"]}, False),
        ({"categories": ["IMHM-C"], "associations": ["MI-AIMH"]}, False),
    ],
)
def test_vetting_elsewhere_needs_a_rule(accepted: dict[str, Any], *, expected: bool) -> None:
    rulebook = BOOKS.associations["NCIMHA"]
    source = rulebook.providers["ifs-rsc"].accepts[0].source
    rule = ProviderRule(
        says="others",
        accepts=(AcceptedProvider.model_validate({"source": source, **accepted}),),
    )
    changed = rulebook.model_copy(update={"providers": {"ifs-rsc": rule}})
    rulebooks = with_rulebook(BOOKS, changed)
    assert accepts_vetting_elsewhere(rulebooks, "NCIMHA") is expected
    vetted = NewCredential(SINCE, None, "MI-AIMH")
    refusals = [] if expected else [Refusal("category", "category-unknown")]
    assert check_credential(rulebooks, "NCIMHA", vetted) == refusals
    unknown = replace(vetted, category="XYZ")
    assert check_credential(rulebooks, "NCIMHA", unknown) == [
        Refusal("category", "category-unknown")
    ]


def test_accepted_categories_are_listed_first() -> None:
    listed = list_categories(BOOKS, "NCIMHA")
    accepted = [
        category
        for rule in BOOKS.associations["NCIMHA"].providers.values()
        for entry in rule.accepts
        for category in entry.categories
    ]
    own = list(BOOKS.associations["NCIMHA"].categories)
    first = list(dict.fromkeys([*accepted, *own]))
    assert listed[: len(first)] == first
    every = {category for each in BOOKS.associations.values() for category in each.categories}
    assert (len(listed), set(listed)) == (len({*every, *accepted}), {*every, *accepted})
