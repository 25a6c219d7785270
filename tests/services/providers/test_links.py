"""A coordinator corrects whom an endorsee's RSC sessions name as the provider."""

from datetime import date

import pytest
from sqlmodel import Session, col, select

from tests.rules.case_data import insert_row
from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.provider_links import (
    NamedProvider,
    find_provider_by_email,
    list_link_choices,
    relink_sessions,
)
from tracker.services.provider_names import LinkedSession
from tracker.services.rsc_providers import ProviderChoice

JO = "Jo Hart"


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def short_rsc(session: Session, cast: Cast) -> int:
    """The minutes that Alice is short of in 2026."""
    query = select(StandingRow.short_minutes).where(
        StandingRow.endorsement_id == cast.endorsements[ALICE],
        StandingRow.cycle_starts_on == date(2026, 1, 1),
    )
    return session.exec(query).one()


def list_providers(session: Session) -> dict[int, tuple[int | None, str | None]]:
    """Whom each RSC session names."""
    entries = session.exec(select(Entry).where(Entry.activity == "rsc").order_by(col(Entry.id)))
    return {entry.id: (entry.provider_id, entry.provider_name) for entry in entries}


def test_sessions_with_a_name_are_linked_and_counted(carol: ServiceContext, cast: Cast) -> None:
    """Of this person alone."""
    alice, dana, number = cast.people[ALICE], cast.people[DANA], cast.entries["unknown"]
    session = carol.session
    row = {"activity": "rsc", "held_on": date(2026, 3, 1), "minutes": 60, "title": "RSC"}
    insert_row(session, "entry", person_id=cast.people[BOB], provider_name=JO, **row)
    before, short = list_providers(session), short_rsc(session, cast)
    assert relink_sessions(carol, alice, JO, dana) == [
        LinkedSession(number, alice, dana, date(2026, 10, 19), 60, is_logged=False)
    ]
    assert list_providers(session) == {**before, number: (dana, None)}
    assert short_rsc(session, cast) == short - 60
    assert list_changes(session, "entry") == [
        LoggedChange(
            CAROL,
            number,
            {"provider_id": None, "provider_name": JO},
            {"provider_id": dana, "provider_name": None},
        )
    ]


def test_sessions_with_the_wrong_person_are_corrected(carol: ServiceContext, cast: Cast) -> None:
    """Bob is vetted from now on, and no session named him before."""
    session, bob, dana = carol.session, cast.people[BOB], cast.people[DANA]
    vetting = {"association": "NCIMHA", "starts_on": date(2020, 1, 1)}
    insert_row(session, "vetting", person_id=bob, **vetting)
    before, short = list_providers(session), short_rsc(session, cast)
    linked = relink_sessions(carol, cast.people[ALICE], dana, bob)
    assert (len(linked), {each.provider_id for each in linked}) == (7, {bob})
    moved = {each.entry_id: (bob, None) for each in linked}
    assert list_providers(session) == {**before, **moved}
    assert short_rsc(session, cast) == short


def test_only_visible_sessions_are_linked(carol: ServiceContext, cast: Cast) -> None:
    session, dana = carol.session, cast.people[DANA]
    held = session.get_one(Endorsement, cast.endorsements[ALICE])
    held.ends_on = date(2026, 10, 18)
    values = {"person_id": cast.people[ALICE], "activity": "rsc", "title": "RSC"}
    earlier = insert_row(
        session, "entry", **values, held_on=held.ends_on, minutes=60, provider_name=JO
    )
    [linked] = relink_sessions(carol, cast.people[ALICE], JO, dana)
    assert linked.entry_id == earlier


@pytest.mark.parametrize(
    ("named", "provider", "code"),
    [
        (JO, ALICE, "provider-is-endorsee"),
        (JO, EVE, "choice-unknown"),
        (JO, ERIN, "choice-unknown"),
        ("Nobody", DANA, "no-session-to-link"),
        (DANA, DANA, "no-session-to-link"),
    ],
)
def test_wrong_links_are_refused(
    carol: ServiceContext, cast: Cast, named: str, provider: str, code: str
) -> None:
    before: NamedProvider = cast.people.get(named, named)
    with pytest.raises(Refused) as refused:
        relink_sessions(carol, cast.people[ALICE], before, cast.people[provider])
    assert refused.value.refusals == (Refusal("provider", code),)
    with pytest.raises(NotFound):
        relink_sessions(carol, cast.people[ERIN], before, cast.people[DANA])


def test_choices_are_those_of_the_form(carol: ServiceContext, cast: Cast) -> None:
    """A person who belongs to no association of the coordinator's can be on the form."""
    dana = cast.people[DANA]
    last = ProviderChoice(dana, "Dana Ruiz", date(2026, 11, 14))
    assert list_link_choices(carol, cast.people[ALICE]) == [last]
    [choice] = list_link_choices(carol, cast.people[BOB])
    assert choice == ProviderChoice(dana, "Dana Ruiz", None)
    eve = cast.people[EVE]
    carol.session.get_one(Entry, cast.entries["old-rsc"]).provider_id = eve
    assert [choice.id for choice in list_link_choices(carol, cast.people[ALICE])] == [eve, dana]
    [linked] = relink_sessions(carol, cast.people[ALICE], JO, eve)
    assert linked.provider_id == eve


def test_a_provider_is_found_by_first_address(carol: ServiceContext, cast: Cast) -> None:
    assert find_provider_by_email(carol, BOB) == cast.people[BOB]
    for email in (ERIN, "nobody@example.org"):
        with pytest.raises(Refused) as refused:
            find_provider_by_email(carol, email)
        refusal = Refusal("email", "nobody-has-email", {"email": email})
        assert refused.value.refusals == (refusal,)
