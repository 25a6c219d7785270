"""What programs of an association create, find, and learn about entries and providers."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tests.support.referees import apply
from tracker.db.log import Entry
from tracker.db.people import Endorsement
from tracker.services.api_entries import (
    ApiSession,
    EntryNotice,
    ListFilter,
    create_api_entry,
    entry_within,
    find_api_entry,
    known_people,
    list_entry_notices,
    page_of_endorsements,
    page_of_entries,
)
from tracker.services.context import Actor, Refusal, Refused, ServiceContext
from tracker.services.declined_providers import store_decline
from tracker.services.entry_rules import EntryInput

HELD_ON, DAY = date(2026, 11, 20), timedelta(days=1)
TODAY = date(2026, 11, 22)
RSC = EntryInput("rsc", HELD_ON, 60, "RSC by telephone", format="individual")
REQUEST = ApiSession(ALICE, RSC, DANA, 7, "one")
CT = "CT-AIMH"


@pytest.fixture
def program(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("token 7: Member database"), NOW)


def end(session: Session, cast: Cast, email: str, day: date) -> None:
    session.get_one(Endorsement, cast.endorsements[email]).ends_on = day
    session.flush()


def add_endorsement(session: Session, person_id: int, association: str, category: str) -> int:
    values = {"association": association, "category": category, "starts_on": date(2024, 4, 1)}
    endorsement = Endorsement.model_validate({"person_id": person_id, **values})
    session.add(endorsement)
    session.flush()
    return endorsement.id


def log(session: Session, person_id: int, **values: object) -> int:
    row = {"activity": "rsc", "held_on": HELD_ON, "minutes": 60, "title": "RSC", **values}
    entry = Entry.model_validate({"person_id": person_id, **row})
    session.add(entry)
    session.flush()
    return entry.id


def test_a_sent_session_is_saved_with_its_provider(
    cast: Cast, session: Session, program: ServiceContext
) -> None:
    request = replace(REQUEST, email=" Alice@Example.org", provider_email="DANA@example.org ")
    entry = create_api_entry(program, "NCIMHA", request)
    assert (entry.person_id, entry.provider_id) == (cast.people[ALICE], cast.people[DANA])
    assert (entry.held_on, entry.title) == (HELD_ON, "RSC by telephone")
    stored = session.get_one(Entry, entry.id)
    assert stored.form_key == request.form_key == "api-7-7692c3ad3540bb803c020b3aee66cd8887123234"
    training = EntryInput("training", HELD_ON, 60, "Book club")
    of_training = ApiSession(BOB, training, "", 7, "two")
    assert create_api_entry(program, "NCIMHA", of_training).provider_id is None


@pytest.mark.parametrize(
    ("email", "association"), [(ERIN, "NCIMHA"), ("nobody@example.org", "NCIMHA"), (ALICE, CT)]
)
def test_people_of_other_associations_are_refused(
    program: ServiceContext, email: str, association: str
) -> None:
    with pytest.raises(Refused) as refused:
        create_api_entry(program, association, replace(REQUEST, email=email))
    refusal = Refusal("email", "person-not-endorsed", {"association": association})
    assert refused.value.refusals == (refusal,)


@pytest.mark.parametrize("provider", ["nobody@example.org", BOB])
def test_unknown_providers_are_refused_like_others(program: ServiceContext, provider: str) -> None:
    with pytest.raises(Refused) as refused:
        create_api_entry(program, "NCIMHA", replace(REQUEST, provider_email=provider))
    assert refused.value.refusals == (Refusal("provider", "provider-not-offered"),)


def test_an_endorsement_lets_programs_log_until_it_ends(
    cast: Cast, session: Session, program: ServiceContext
) -> None:
    end(session, cast, ALICE, TODAY)
    create_api_entry(program, "NCIMHA", REQUEST)
    end(session, cast, ALICE, TODAY - DAY)
    with pytest.raises(Refused):
        create_api_entry(program, "NCIMHA", replace(REQUEST, key="two"))
    apply(session, cast.people[ALICE], association="NCIMHA")
    create_api_entry(program, "NCIMHA", replace(REQUEST, key="two"))


def test_the_same_request_finds_its_entry(
    cast: Cast, session: Session, program: ServiceContext
) -> None:
    entry = create_api_entry(program, "NCIMHA", REQUEST)
    same = replace(REQUEST, email=" Alice@Example.org")
    found = find_api_entry(session, "NCIMHA", same)
    assert found is not None
    assert found.id == entry.id
    end(session, cast, ALICE, HELD_ON)
    assert find_api_entry(session, "NCIMHA", REQUEST) is not None
    for association, changes in (
        ("NCIMHA", {"email": BOB}),
        ("NCIMHA", {"token_id": 8}),
        ("NCIMHA", {"key": "two"}),
        (CT, {}),
    ):
        assert find_api_entry(session, association, replace(REQUEST, **changes)) is None
    end(session, cast, ALICE, HELD_ON - DAY)
    assert find_api_entry(session, "NCIMHA", REQUEST) is None


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, "old old-rsc rsc rsc-1 rsc-3 rsc-4 rsc-6 rsc-8 training unknown"),
        ({"email": BOB}, ""),
        ({"association": CT}, "erin"),
        ({"association": CT, "email": ALICE}, ""),
        ({"held_from": date(2026, 10, 19)}, "rsc unknown"),
        ({"held_from": date(2026, 10, 20)}, "rsc"),
        ({"held_to": date(2025, 6, 2)}, "old old-rsc"),
        ({"held_to": date(2025, 6, 1)}, "old"),
        ({"email": ALICE, "held_from": date(2026, 5, 2), "held_to": date(2026, 5, 2)}, "training"),
    ],
)
def test_a_page_has_the_wanted_entries(
    cast: Cast, session: Session, changes: dict[str, Any], names: str
) -> None:
    wanted = ListFilter("NCIMHA")._replace(**changes)
    found = page_of_entries(session, wanted, after=0, limit=20)
    assert [each.id for each in found] == sorted(cast.entries[name] for name in names.split())


def test_pages_follow_each_other(cast: Cast, session: Session) -> None:
    wanted, ids = ListFilter("NCIMHA"), sorted(v for k, v in cast.entries.items() if k != "erin")
    first = page_of_entries(session, wanted, after=0, limit=3)
    second = page_of_entries(session, wanted, after=ids[2], limit=4)
    assert [each.id for each in (*first, *second)] == ids[:7]
    # Not by day.
    (oldest,) = page_of_entries(session, ListFilter("NCIMHA", ALICE), after=0, limit=1)
    assert oldest.id == ids[0]
    more = add_endorsement(session, cast.people[BOB], "NCIMHA", "ECFS")
    held = [cast.endorsements[ALICE], cast.endorsements[BOB], more]

    def list_ids(category: str = "", email: str = "", after: int = 0, limit: int = 9) -> list[int]:
        filters = ListFilter("NCIMHA", email)
        return page_of_endorsements(session, filters, category=category, after=after, limit=limit)

    assert list_ids() == held
    assert (list_ids(limit=2), list_ids(after=held[0], limit=1)) == (held[:2], [held[1]])
    assert (list_ids(category="ECFS"), list_ids(email=BOB)) == ([more], held[1:])
    assert list_ids(category="IFS", email=BOB) == [held[1]]


def test_associations_see_entries_of_their_time(cast: Cast, session: Session) -> None:
    rsc = cast.entries["rsc"]
    held_on = session.get_one(Entry, rsc).held_on
    for last_day, is_seen in ((None, True), (held_on, True), (held_on - DAY, False)):
        session.get_one(Endorsement, cast.endorsements[ALICE]).ends_on = last_day
        session.flush()
        found = entry_within(session, "NCIMHA", rsc)
        assert (found and found.id) == (rsc if is_seen else None)
    assert entry_within(session, CT, rsc) is None
    apply(session, cast.people[ALICE], association="MI-AIMH")
    apply(session, cast.people[ALICE], association=CT, state="declined", decided_on=TODAY)
    assert entry_within(session, CT, rsc) is None
    apply(session, cast.people[ALICE], association=CT, category="ECFS")
    found = entry_within(session, CT, rsc)
    assert found is not None
    assert found.id == rsc


def test_people_are_listed_by_id(cast: Cast, session: Session) -> None:
    ids = [cast.people[ALICE], cast.people[EVE]]
    people = known_people(session, ids)
    assert {number: person.email for number, person in people.items()} == {
        ids[0]: ALICE,
        ids[1]: EVE,
    }


def list_codes(session: Session, association: str = "NCIMHA") -> dict[int, list[str]]:
    notices = list_notices(session, association)
    return {number: [each.code for each in found] for number, found in notices.items()}


def list_notices(session: Session, association: str = "NCIMHA") -> dict[int, list[EntryNotice]]:
    entries = page_of_entries(session, ListFilter(association), after=0, limit=99)
    return list_entry_notices(session, BOOKS, association, entries, NOW)


def test_notices_are_about_providers_alone(cast: Cast, session: Session, act: Act) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    by_alice = log(session, bob, provider_id=alice)
    named = log(session, bob, provider_name="Petra Vale")
    early = log(session, bob, provider_name="Petra Vale", held_on=date(2019, 3, 1))
    # Two endorsements have the same notice.
    add_endorsement(session, alice, "NCIMHA", "IFS")
    add_endorsement(session, alice, CT, "IFS")
    codes = list_codes(session)
    names = ["old-rsc", "rsc", "rsc-1", "rsc-3", "rsc-4", "rsc-6", "rsc-8"]
    without = {cast.entries[name]: list[str]() for name in names}
    assert codes == without | {
        cast.entries["unknown"]: ["unconfirmed"],
        by_alice: ["not-accepted"],
        named: ["unconfirmed"],
        early: [],
    }
    for association in ("NCIMHA", CT):
        store_decline(act(CAROL), association, "Petra Vale", bob, f"Unknown to {association}.")
    message = (
        "NCIMHA did not confirm Petra Vale as an RSC provider: Unknown to NCIMHA. "
        "If the name is wrong, correct it in the entry."
    )
    assert list_notices(session)[named] == [EntryNotice("provider-declined", message)]
    assert list_codes(session, "MI-AIMH") == {}


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, ["unconfirmed"]),
        ({"submitted_on": TODAY}, ["unconfirmed"]),
        # Nothing is required on that day, or of a reinstatement there.
        ({"submitted_on": date(1999, 12, 31)}, []),
        ({"purpose": "reinstatement"}, []),
    ],
)
def test_applicants_have_notices_by_their_rules(
    cast: Cast, session: Session, values: dict[str, Any], codes: list[str]
) -> None:
    eve = cast.people[EVE]
    state = "submitted" if "submitted_on" in values else "open"
    apply(session, eve, association=CT, **{"state": state, **values})
    apply(session, eve, association="NCIMHA")
    declined: dict[str, Any] = {
        "state": "declined",
        "opened_on": date(2023, 1, 1),
        "decided_on": TODAY,
    }
    apply(session, eve, association=CT, **declined)
    entry = log(session, eve, provider_name="Petra Vale")
    assert list_codes(session, CT) == {entry: codes}
