"""The providers who matter to an association, when they qualify, and who depends on them."""

from datetime import date

import pytest
from sqlalchemy import column, insert, select, update

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.tables import METADATA
from tracker.rules.reasons import format_reason
from tracker.services.context import NotFound, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.provider_overview import (
    ProviderDetails,
    ProviderLine,
    ProviderStatus,
    explain_line,
    filter_lines,
    get_provider_details,
    list_provider_lines,
)
from tracker.services.rsc_providers import load_providers

TODAY = date(2026, 11, 22)


def lines(context: ServiceContext, association: str = "NCIMHA") -> list[ProviderLine]:
    return list_provider_lines(context.session, context.rulebooks, association, TODAY)


def details(context: ServiceContext, person_id: int) -> ProviderDetails:
    return get_provider_details(context.session, context.rulebooks, "NCIMHA", TODAY, person_id)


def change(context: ServiceContext, table: str, **values: object) -> None:
    """Change the columns of every row of Dana's, and evaluate."""
    found = METADATA.tables[table]
    column = found.c.id if table == "person" else found.c.person_id
    people = METADATA.tables["person"]
    query = select(people.c.id).where(people.c.email == DANA)
    dana = int(context.session.connection().execute(query).scalar_one())
    statement = update(found).where(column == dana).values(values)
    context.session.connection().execute(statement)
    context.session.expire_all()
    evaluate_people(context.session, context.rulebooks, {dana}, NOW)


def vet(context: ServiceContext, person_id: int, ends_on: date | None = None) -> None:
    values = {"person_id": person_id, "association": "NCIMHA", "starts_on": date(2020, 1, 1)}
    statement = insert(METADATA.tables["vetting"]).values(**values, ends_on=ends_on)
    context.session.connection().execute(statement)
    evaluate_people(context.session, context.rulebooks, {person_id}, NOW)


def endorse(
    context: ServiceContext,
    person_id: int,
    association: str,
    category: str,
    starts_on: date,
    ends_on: date | None = None,
) -> None:
    held = {"association": association, "category": category, "ends_on": ends_on}
    statement = insert(METADATA.tables["endorsement"])
    values = {"person_id": person_id, "starts_on": starts_on, **held}
    context.session.connection().execute(statement.values(values))
    evaluate_people(context.session, context.rulebooks, {person_id}, NOW)


def test_hours_of_the_current_cycle_depend_on_a_provider(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    # A provider counts by RSC only.
    trained = update(METADATA.tables["entry"]).where(column("activity") == "training")
    carol.session.connection().execute(trained.values(provider_id=cast.people[DANA]))
    [dana] = lines(carol)
    assert (dana.id, dana.usage.endorsees, dana.usage.minutes) == (cast.people[DANA], 1, 510)
    assert (dana.usage.last_on, dana.status) == (date(2026, 11, 14), ProviderStatus.ENDING)


def test_two_endorsements_of_one_person_count_hours_once(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    alice_id = cast.people[ALICE]
    endorse(carol, alice_id, "NCIMHA", "IFA", date(2024, 3, 1))
    endorse(carol, alice_id, "NCIMHA", "ECFA", date(2024, 2, 29))
    endorse(carol, alice_id, "CT-AIMH", "IMHS", date(2024, 3, 1))
    [dana] = lines(carol)
    assert (dana.usage.endorsees, dana.usage.minutes) == (1, 510)
    [alice] = details(carol, cast.people[DANA]).dependents
    assert (alice.category, alice.sessions, alice.minutes) == ("ECFA, IFS, IFA", 6, 510)


def test_other_associations_do_not_see_a_provider(act: Act) -> None:
    assert lines(act(CAROL), "CT-AIMH") == []


def test_vetted_providers_are_listed_without_sessions(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    vet(carol, cast.people[EVE])
    assert [line.name for line in lines(carol)] == ["Dana Ruiz", "Eve Chen"]


@pytest.mark.parametrize(
    ("last", "status", "reason"),
    [
        (date(2027, 3, 31), "ending", "Dana Ruiz's vetting by NCIMHA ends on March 31, 2027"),
        (TODAY, "ending", "Dana Ruiz's vetting by NCIMHA ends on November 22, 2026"),
        (
            date(2026, 11, 21),
            "does not count",
            "Dana Ruiz's vetting by NCIMHA ended on November 21, 2026",
        ),
        (
            date(2030, 1, 1),
            "ending",
            "Dana Ruiz's vetting by NCIMHA counts only through December 21, 2027",
        ),
    ],
)
def test_the_days_ahead_decide_the_status(
    act: Act, cast: Cast, last: date, status: str, reason: str
) -> None:
    carol = act(CAROL)
    change(carol, "vetting", ends_on=last)
    [dana] = lines(carol)
    assert dana.status == status
    provider = load_providers(carol.session, {dana.id})[dana.id]
    why = explain_line(carol.rulebooks, "NCIMHA", dana, provider, TODAY)
    assert (format_reason(why) if why else "") == reason
    shown = details(carol, cast.people[DANA])
    assert shown.rules[0].counts_today == (status != "does not count")
    assert shown.rules[0].reason == why


def test_details_say_by_which_credential_and_source(act: Act, cast: Cast) -> None:
    carol, dana = act(CAROL), cast.people[DANA]
    # Its days are those on which the vetting counts.
    endorse(carol, dana, "MI-AIMH", "IMHM-C", date(2020, 1, 1), ends_on=date(2027, 12, 21))
    shown = details(carol, dana)
    [rule] = shown.rules
    endorsed, vetted = rule.days
    assert endorsed.qualification.credential.category == "IMHM-C"
    assert vetted.qualification.credential.status == "vetted by NCIMHA"
    assert vetted.document
    assert shown.email == DANA
    assert [each.name for each in shown.dependents] == ["Alice Moreno"]


def test_the_roster_needs_the_providers_consent(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    assert details(carol, cast.people[DANA]).roster is None
    change(carol, "person", takes_supervisees_since=NOW, provider_line="Groups by video")
    roster = details(carol, cast.people[DANA]).roster
    assert roster is not None
    assert roster == ("Dana Ruiz", ("vetted by NCIMHA",), "Groups by video")
    [dana] = filter_lines(lines(carol), "", "takes")
    assert dana.takes_supervisees


@pytest.mark.parametrize("email", [ALICE, BOB, ERIN, EVE])
def test_people_who_do_not_matter_are_not_found(act: Act, cast: Cast, email: str) -> None:
    for number in (cast.people[email], 999_999):
        with pytest.raises(NotFound):
            details(act(CAROL), number)


def test_names_are_searched_like_names(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    vet(carol, cast.people[EVE])
    for words, count in (("", 2), ("rui", 1), ("ruiz dana", 1), ("nobody", 0)):
        assert len(filter_lines(lines(carol), words, "")) == count
    assert len(filter_lines(lines(carol), "", "does not count")) == 0
