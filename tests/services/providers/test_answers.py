"""What a coordinator answers to a provider's name, and what becomes of the sessions."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import insert, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, Cast
from tests.support.held import settle_last_year
from tracker.db.tables import METADATA
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.provider_answers import (
    NewPerson,
    ProviderAnswer,
    confirm_names,
    decline_names,
    take_back_decline,
)
from tracker.services.provider_credentials import NewCredential
from tracker.services.provider_matches import (
    KnownPerson,
    find_clear_match,
    list_known_people,
    match_name,
)
from tracker.services.provider_names import LinkedSession
from tracker.services.waiting_names import WaitingName, find_waiting_names, list_waiting_names

PETRA = NewPerson("Petra Vale", "petra@example.org", "master")
SINCE = date(2015, 1, 1)
TODAY = date(2026, 11, 22)


def rows(context: ServiceContext, table: str) -> list[dict[str, object]]:
    found = METADATA.tables[table]
    query = select(found).order_by(found.c.id)
    return [dict(row) for row in context.session.connection().execute(query).mappings()]


def name_provider(
    context: ServiceContext, cast: Cast, email: str, name: str, held_on: date = date(2026, 3, 1)
) -> int:
    """Log two hours of RSC with somebody known by name; return the entry's id."""
    entry = METADATA.tables["entry"]
    values = {
        "person_id": cast.people[email],
        "activity": "rsc",
        "held_on": held_on,
        "minutes": 120,
        "title": "RSC",
        "provider_name": name,
        "logged_at": context.now,
    }
    statement = insert(entry).values(values).returning(entry.c.id)
    return int(context.session.connection().execute(statement).scalar_one())


def answer(
    context: ServiceContext,
    name: str,
    provider: int | NewPerson,
    credential: NewCredential | None = None,
) -> list[LinkedSession]:
    keys = frozenset([name])
    return confirm_names(context, ProviderAnswer("NCIMHA", keys, provider, credential)).linked


def queue(context: ServiceContext) -> list[WaitingName]:
    return list_waiting_names(context.session, "NCIMHA", TODAY)


def short_rsc(context: ServiceContext, cast: Cast, email: str) -> int:
    standing = METADATA.tables["standing"]
    query = select(standing.c.short_minutes).where(
        standing.c.endorsement_id == cast.endorsements[email],
        standing.c.cycle_starts_on == date(2026, 1, 1),
    )
    return int(context.session.connection().execute(query).scalar_one())


def test_spellings_of_one_name_are_one_item(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    name_provider(carol, cast, ALICE, "Zoë O'Neil")
    name_provider(carol, cast, BOB, "zoe  O NEIL")
    name_provider(carol, cast, ERIN, "Zoe O'Neil")
    [zoe, jo] = queue(carol)
    assert (zoe.spellings, zoe.minutes) == (("Zoë O'Neil", "zoe  O NEIL"), 240)
    assert [each.name for each in zoe.named_by] == ["Alice Moreno", "Bob Osei"]
    assert jo.name == "Jo Hart"


def test_a_known_person_is_linked_with_all_sessions(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    mine = [name_provider(carol, cast, who, "D. Ruiz") for who in (ALICE, BOB)]
    foreign = name_provider(carol, cast, ERIN, "D. Ruiz")
    before = short_rsc(carol, cast, BOB)
    linked = answer(carol, "d ruiz", cast.people[DANA])
    assert sorted(each.entry_id for each in linked) == mine
    assert short_rsc(carol, cast, BOB) == before - 120
    [still] = [row for row in rows(carol, "entry") if row["id"] == foreign]
    assert (still["provider_id"], still["provider_name"]) == (None, "D. Ruiz")


def test_vetting_a_new_person_makes_the_sessions_count(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    before = short_rsc(carol, cast, ALICE)
    answer(carol, "jo hart", NewPerson("Jo Hart", "jo@example.org"), NewCredential(SINCE))
    assert short_rsc(carol, cast, ALICE) == before - 60
    person = rows(carol, "person")[-1]
    assert (person["name"], person["email"], person["provides_rsc"]) == (
        "Jo Hart",
        "jo@example.org",
        True,
    )
    vetting = rows(carol, "vetting")[-1]
    assert (vetting["person_id"], vetting["association"]) == (person["id"], "NCIMHA")


def test_an_endorsement_elsewhere_counts_here_only(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    before = short_rsc(carol, cast, ALICE)
    elsewhere = NewCredential(SINCE, None, "Ohio Association", "IMHM-C")
    answer(carol, "jo hart", NewPerson("Jo Hart", "jo@example.org", "master"), elsewhere)
    assert short_rsc(carol, cast, ALICE) == before - 60
    spans = METADATA.tables["provider_span"]
    rules = set(
        carol.session.connection().scalars(
            select(spans.c.rule).where(spans.c.provider_id == rows(carol, "person")[-1]["id"])
        )
    )
    assert rules
    assert all(rule.startswith("NCIMHA/") for rule in rules)
    assert len(rows(carol, "endorsement")) == len(cast.endorsements)


def test_an_address_that_is_known_is_that_person(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    people = len(rows(carol, "person"))
    linked = answer(carol, "jo hart", NewPerson("D Ruiz", DANA))
    assert [each.provider_id for each in linked] == [cast.people[DANA]]
    assert len(rows(carol, "person")) == people


@pytest.mark.parametrize(
    ("provider", "credential", "code"),
    [
        (NewPerson("Petra Vale", DANA), None, "email-of-someone-else"),
        (NewPerson("Petra Vale", "petra"), None, "email-invalid"),
        (NewPerson("", "petra@example.org"), None, "provider-name-missing"),
        (PETRA, NewCredential(SINCE, date(2014, 1, 1)), "ends-before-start"),
        (PETRA, NewCredential(SINCE, None, "NCIMHA", "IMHM-C"), "endorsement-not-elsewhere"),
        (PETRA, NewCredential(SINCE, None, "Ohio", "XYZ"), "category-unknown"),
        (999_999, None, "provider-not-known"),
    ],
)
def test_wrong_answers_are_refused(
    act: Act,
    cast: Cast,
    provider: int | NewPerson,
    credential: NewCredential | None,
    code: str,
) -> None:
    carol = act(CAROL)
    with pytest.raises(Refused, match=code):
        answer(carol, "jo hart", provider, credential)
    assert len(rows(carol, "person")) == len(cast.people)


def test_a_person_of_others_cannot_be_chosen_by_id(act: Act, cast: Cast) -> None:
    with pytest.raises(Refused, match="provider-not-known"):
        answer(act(CAROL), "jo hart", cast.people[EVE])


def test_nobody_answers_for_other_associations(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    wrong = ProviderAnswer("CT-AIMH", frozenset(["jo hart"]), cast.people[DANA])
    with pytest.raises(NotFound):
        confirm_names(carol, wrong)
    with pytest.raises(NotFound):
        decline_names(carol, "CT-AIMH", queue(carol), "unknown")
    with pytest.raises(NotFound):
        take_back_decline(carol, "CT-AIMH", "jo hart")


def test_coordinators_do_not_decide_about_their_own_sessions(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    own = replace(carol, actor=replace(carol.actor, person_id=cast.people[ALICE]))
    with pytest.raises(Refused, match="own-decision"):
        answer(own, "jo hart", cast.people[DANA])
    with pytest.raises(Refused, match="own-decision"):
        decline_names(own, "NCIMHA", queue(carol), "unknown")


def test_an_answer_comes_once(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    answer(carol, "jo hart", cast.people[DANA])
    with pytest.raises(Refused, match="name-not-waiting"):
        answer(carol, "jo hart", cast.people[DANA])


def test_vetting_is_not_recorded_twice(act: Act, cast: Cast) -> None:
    with pytest.raises(Refused, match="credential-known"):
        answer(act(CAROL), "jo hart", cast.people[DANA], NewCredential(SINCE))


def test_a_declined_name_does_not_come_back(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    decline_names(carol, "NCIMHA", queue(carol), "We don't know them")
    assert queue(carol) == []
    name_provider(carol, cast, BOB, "JO HART")
    assert queue(carol) == []
    take_back_decline(carol, "NCIMHA", "jo hart")
    assert [each.minutes for each in queue(carol)] == [180]
    with pytest.raises(NotFound):
        take_back_decline(carol, "NCIMHA", "jo hart")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("", "decline-reason-missing"),
        ("x" * 201, "text-too-long"),
        ("see www.example.org", "reason-has-link"),
    ],
)
def test_declining_takes_a_short_reason(act: Act, reason: str, code: str) -> None:
    carol = act(CAROL)
    with pytest.raises(Refused, match=code):
        decline_names(carol, "NCIMHA", queue(carol), reason)


def test_sessions_of_settled_cycles_are_linked_quietly(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    old = name_provider(carol, cast, BOB, "D. Ruiz", date(2025, 3, 1))
    new = name_provider(carol, cast, BOB, "D. Ruiz")
    settle_last_year(carol.session, cast, BOB)
    before = rows_of_settled(carol)
    linked = answer(carol, "d ruiz", cast.people[DANA])
    assert {each.entry_id: each.is_settled for each in linked} == {old: True, new: False}
    assert rows_of_settled(carol) == before


def rows_of_settled(context: ServiceContext) -> list[tuple[object, ...]]:
    table = METADATA.tables["settled_cycle"]
    query = select(table.c.endorsement_id, table.c.cycle_starts_on, table.c.content)
    return [tuple(row) for row in context.session.connection().execute(query)]


def test_names_without_open_cycle_are_not_in_the_queue(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    name_provider(carol, cast, BOB, "Old Friend", date(2019, 3, 1))
    assert [each.name for each in queue(carol)] == ["Jo Hart"]
    found = find_waiting_names(carol.session, "NCIMHA", TODAY, {"old friend"})
    assert [each.minutes for each in found] == [120]


def test_only_people_in_reach_are_offered(act: Act) -> None:
    carol = act(CAROL)
    known = list_known_people(carol.session, carol.rulebooks, "NCIMHA")
    assert {person.name for person in known} == {"Alice Moreno", "Bob Osei", "Dana Ruiz"}


@pytest.mark.parametrize(
    ("typed", "clear"),
    [
        ("Petra Vale", "Petra Vale"),
        ("petra väle", "Petra Vale"),
        ("P. Vale", "Petra Vale"),
        ("Vale, Petra", "Petra Vale"),
        ("Petra Vail", "Petra Vale"),
        ("Petra", None),
        ("P. Stone", None),
        ("Somebody Else", None),
    ],
)
def test_likely_matches(typed: str, clear: str | None) -> None:
    names = ["Petra Vale", "Paul Stone", "Pia Stone", "Alma Ruiz"]
    people = [KnownPerson(n, name, name.lower()) for n, name in enumerate(names)]
    match = find_clear_match(match_name(typed, people))
    assert (match.name if match else None) == clear
