"""What a coordinator answers to a provider's name, and what becomes of the sessions."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import col

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, Cast
from tests.support.held import settle_last_year
from tracker.db.corrections import FormerEmail
from tracker.db.people import Person
from tracker.db.tables import METADATA
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.declined_providers import (
    list_declined,
    list_declined_keys,
    load_declined_for,
    load_declined_names,
    remove_declines,
    store_decline,
)
from tracker.services.entries import list_entries
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
    jo = NewPerson("J.Hart", "jo@example.org", "master")
    confirmed = confirm_names(
        carol, ProviderAnswer("NCIMHA", frozenset(["jo hart"]), jo, NewCredential(SINCE))
    )
    assert short_rsc(carol, cast, ALICE) == before - 60
    person = rows(carol, "person")[-1]
    assert confirmed.created_id is not None
    assert person["id"] == confirmed.created_id
    stored = {
        "name": "J. Hart",
        "email": "jo@example.org",
        "highest_degree": "master",
        "provides_rsc": True,
    }
    assert list_changes(carol.session, "person") == [
        LoggedChange(CAROL, confirmed.created_id, None, stored)
    ]
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
    """Or was, until the person changed it."""
    carol, dana = act(CAROL), cast.people[DANA]
    people = len(rows(carol, "person"))
    carol.session.add(FormerEmail(email="ruiz@example.org", person_id=dana, changed_at=carol.now))
    for email in (DANA, "ruiz@example.org"):
        name_provider(carol, cast, BOB, "D. Ruiz")
        keys, new = frozenset(["d ruiz"]), NewPerson("D Ruiz", email)
        linked, created_id = confirm_names(carol, ProviderAnswer("NCIMHA", keys, new))
        assert ([each.provider_id for each in linked], created_id) == ([dana], None)
    assert len(rows(carol, "person")) == people


STARTS = {"starts_on": SINCE}


@pytest.mark.parametrize(
    ("provider", "credential", "refusals"),
    [
        (
            NewPerson("Petra Vale", DANA),
            None,
            [Refusal("email", "email-of-someone-else", {"email": DANA})],
        ),
        (
            NewPerson("", "petra", "phd"),
            NewCredential(SINCE, date(2014, 1, 1)),
            [
                Refusal("name", "provider-name-missing"),
                Refusal("email", "email-invalid"),
                Refusal("degree", "degree-unknown"),
                Refusal("ends_on", "ends-before-start", STARTS),
            ],
        ),
        (
            PETRA,
            NewCredential(SINCE, None, "NCIMHA", "IMHM-C"),
            [Refusal("elsewhere", "endorsement-not-elsewhere", {"association": "NCIMHA"})],
        ),
        (
            PETRA,
            NewCredential(SINCE, None, "Ohio", "XYZ"),
            [Refusal("category", "category-unknown")],
        ),
        (999_999, None, [Refusal("who", "provider-not-known")]),
    ],
)
def test_wrong_answers_have_every_reason(
    act: Act,
    cast: Cast,
    provider: int | NewPerson,
    credential: NewCredential | None,
    refusals: list[Refusal],
) -> None:
    carol = act(CAROL)
    with pytest.raises(Refused) as refused:
        answer(carol, "jo hart", provider, credential)
    assert [*refused.value.refusals] == refusals
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
    with pytest.raises(Refused) as refused:
        answer(own, "jo hart", cast.people[DANA])
    assert refused.value.refusals == (Refusal("", "own-decision"),)
    name_provider(carol, cast, BOB, "Zoe Hill")
    assert len(queue(carol)) == 2
    with pytest.raises(Refused) as refused:
        decline_names(own, "NCIMHA", queue(carol)[::-1], "unknown")
    assert refused.value.refusals == (Refusal("", "own-decision"),)
    name_provider(carol, cast, BOB, "Jo Hart")
    assert len(decline_names(own, "NCIMHA", queue(carol), "unknown")) == 2
    dana = replace(carol, actor=replace(carol.actor, person_id=cast.people[DANA]))
    with pytest.raises(Refused, match="own-decision"):
        answer(dana, "jo hart", cast.people[DANA], NewCredential(date(2010, 1, 1), SINCE))


def test_nobody_is_their_own_provider(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    with pytest.raises(Refused) as refused:
        answer(carol, "jo hart", cast.people[ALICE])
    assert refused.value.refusals == (Refusal("who", "provider-is-endorsee"),)


def test_answers_can_be_for_some_people(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    mine = name_provider(carol, cast, BOB, "Jo Hart")
    name_provider(carol, cast, ERIN, "Jo Hart")
    keys, bob = frozenset(["jo hart"]), frozenset([cast.people[BOB], cast.people[ERIN]])
    chosen = ProviderAnswer("NCIMHA", keys, cast.people[DANA], None, bob)
    linked, created_id = confirm_names(carol, chosen)
    assert ([each.entry_id for each in linked], created_id) == ([mine], None)
    with pytest.raises(Refused) as refused:
        confirm_names(carol, chosen)
    assert refused.value.refusals == (Refusal("", "name-not-waiting"),)


def test_an_answer_comes_once(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    answer(carol, "jo hart", cast.people[DANA])
    with pytest.raises(Refused, match="name-not-waiting"):
        answer(carol, "jo hart", cast.people[DANA])


def test_vetting_is_not_recorded_twice(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    dana = carol.session.get_one(Person, cast.people[DANA])
    # Another process changes the name meanwhile.
    renamed = update(Person).where(col(Person.id) == dana.id).values(name="Dana Hill")
    carol.session.connection().execute(renamed)
    with pytest.raises(Refused) as refused:
        answer(carol, "jo hart", dana.id, NewCredential(SINCE))
    facts = {"name": "Dana Hill", "starts_on": date(2020, 1, 1)}
    assert refused.value.refusals == (Refusal("starts_on", "credential-known", facts),)


def test_a_declined_name_does_not_come_back(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    [number] = decline_names(carol, "NCIMHA", queue(carol), "x" * 200)
    assert queue(carol) == []
    name_provider(carol, cast, BOB, "JO HART")
    assert queue(carol) == []
    assert take_back_decline(carol, "NCIMHA", "jo hart") == [number]
    assert [each.minutes for each in queue(carol)] == [180]
    with pytest.raises(NotFound):
        take_back_decline(carol, "NCIMHA", "jo hart")


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("", Refusal("reason", "decline-reason-missing")),
        ("x" * 201, Refusal("reason", "text-too-long", {"limit": 200})),
        ("see www.example.org", Refusal("reason", "reason-has-link")),
    ],
)
def test_declining_takes_a_short_reason(act: Act, reason: str, refusal: Refusal) -> None:
    carol = act(CAROL)
    with pytest.raises(Refused) as refused:
        decline_names(carol, "NCIMHA", queue(carol), reason)
    assert refused.value.refusals == (refusal,)
    with pytest.raises(Refused) as refused:
        decline_names(carol, "NCIMHA", [], "We don't know them")
    assert refused.value.refusals == (Refusal("", "name-not-waiting"),)


def test_declines_of_a_name_have_the_last_reason(act: Act, cast: Cast) -> None:
    """For each association, until the name waits again there."""
    carol = act(CAROL)
    alice, session = cast.people[ALICE], carol.session
    [jo] = queue(carol)
    [number] = decline_names(carol, "NCIMHA", [jo], "We don't know Jo")
    zoe = store_decline(carol, "NCIMHA", "Zoë  HILL", alice, "Who is Zoe?")
    foreign = store_decline(carol, "CT-AIMH", "Jo Hart", alice, "Not ours")
    assert decline_names(carol, "NCIMHA", [jo], "Jo retired") == [number]
    declined = list_declined(session, "NCIMHA")
    assert [each.model_dump() for each in declined] == [
        {
            "id": row_id,
            "person_id": alice,
            "association": "NCIMHA",
            "name_key": key,
            "name": name,
            "reason": reason,
            "declined_at": carol.now,
            "declined_by": CAROL,
        }
        for row_id, key, name, reason in (
            (number, "jo hart", "Jo Hart", "Jo retired"),
            (zoe, "zoe hill", "Zoë  HILL", "Who is Zoe?"),
        )
    ]
    assert list_declined_keys(session, "NCIMHA") == {"jo hart", "zoe hill"}
    own, every = load_declined_names(session, ["NCIMHA"]), load_declined_names(session)
    assert own.reason("NCIMHA", "JO Hart") == "Jo retired"
    assert [own.reason("NCIMHA", name) for name in ("Jo", "", None)] == [None] * 3
    assert (own.reason("CT-AIMH", "Jo Hart"), every.reason("CT-AIMH", "Jo Hart")) == (
        None,
        "Not ours",
    )
    assert every.is_declined(["VAIMH", "CT-AIMH"], "jo hart")
    assert not every.is_declined(["VAIMH", "CT-AIMH"], "Zoe Hill")
    entries = list_entries(session, alice, date.min, date.max)
    assert load_declined_for(session, entries).reason("NCIMHA", "Jo Hart") == "Jo retired"
    others = [entry for entry in entries if not entry.provider_name]
    assert load_declined_for(session, others).reason("NCIMHA", "Jo Hart") is None
    logged = {"person_id": alice, "association": "NCIMHA", "name": "Jo Hart"}
    first, last = {**logged, "reason": "We don't know Jo"}, {**logged, "reason": "Jo retired"}
    assert take_back_decline(carol, "NCIMHA", "jo hart") == [number]
    changes = list_changes(session, "declined_provider")
    assert [change for change in changes if change.row_id == number] == [
        LoggedChange(CAROL, number, None, first),
        LoggedChange(CAROL, number, first, last),
        LoggedChange(CAROL, number, last, None),
    ]
    assert [each.id for each in list_declined(session, "NCIMHA")] == [zoe]
    assert remove_declines(carol, None, ["jo hart"]) == [foreign]


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
