"""In which order providers are listed, what decides their status, and what one page has of each."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import insert
from sqlmodel import Session, delete

from tests.services.conftest import Act
from tests.services.providers.test_overview import TODAY, details, lines, vet
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.ledgers import ProviderSpan
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.providers import OutsideEndorsement
from tracker.db.tables import METADATA
from tracker.rules.providers import Credential, Provider
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Span
from tracker.services.evaluation import evaluate_people
from tracker.services.provider_overview import (
    Dependent,
    ProviderLine,
    ProviderStatus,
    RosterEntry,
    Usage,
    explain_line,
    filter_lines,
    is_provider_of,
    list_outside_endorsements,
    roster_entry_of,
)

DAY = timedelta(days=1)
LONG_AGO, NO_END = date(2020, 1, 1), date.max
AHEAD = date(2028, 5, 22)


def line(name: str, status: ProviderStatus, *, takes: bool = False) -> ProviderLine:
    return ProviderLine(1, name, takes, Usage(), {}, status, None)


def know(session: Session, person_id: int, **values: object) -> None:
    """Store that NCIMHA knows an endorsement elsewhere."""
    row: dict[str, object] = {"known_to": "NCIMHA", "association": "Ohio", "category": "IMHM-C"}
    row |= {"person_id": person_id, "starts_on": LONG_AGO, "recorded_by": CAROL, **values}
    session.connection().execute(insert(METADATA.tables["outside_endorsement"]).values(row))


def test_lines_are_filtered_by_words_and_state() -> None:
    ending = line("Dana Ruiz", ProviderStatus.ENDING, takes=True)
    gone = line("Zoë Bell", ProviderStatus.DOES_NOT_COUNT)
    both = [ending, gone]
    for search, state, expected in (
        ("", "", both),
        ("", "ending", [ending]),
        ("", "does not count", [gone]),
        ("", "takes", [ending]),
        ("ZOE", "", [gone]),
        ("uiz", "", [ending]),
        ("bell zo", "", [gone]),
        ("dana", "does not count", []),
        ("zoe", "takes", []),
    ):
        assert filter_lines(both, search, state) == expected, (search, state)


def test_most_hours_come_first_then_names(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    for email, name in ((EVE, "zoe Chen"), (BOB, "Ann Osei"), (ERIN, "Zed Vance")):
        carol.session.get_one(Person, cast.people[email]).name = name
        vet(carol, cast.people[email])
    listed = lines(carol)
    assert [each.name for each in listed] == ["Dana Ruiz", "Ann Osei", "Zed Vance", "zoe Chen"]
    assert listed[1].usage == Usage(0, 0, None)


def test_endorsed_people_are_listed_if_they_qualify(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    for email, association in ((EVE, "NCIMHA"), (ERIN, "CT-AIMH"), (BOB, "")):
        carol.session.get_one(Person, cast.people[email]).provides_rsc = True
        if association:
            held = Endorsement(
                person_id=cast.people[email],
                association=association,
                category="IMHM-C",
                starts_on=TODAY,
            )
            carol.session.add(held)
    carol.session.flush()
    evaluate_people(carol.session, carol.rulebooks, cast.people.values(), NOW)
    assert [each.name for each in lines(carol)] == ["Dana Ruiz", "Eve Chen"]
    assert details(carol, cast.people[EVE]).rules[0].counts_today


@pytest.mark.parametrize(
    ("spans", "status", "last_day"),
    [
        ({"NCIMHA/a": (LONG_AGO, AHEAD)}, "ending", AHEAD),
        ({"NCIMHA/a": (LONG_AGO, AHEAD + DAY)}, "counts", None),
        ({"NCIMHA/a": (TODAY, TODAY)}, "ending", TODAY),
        ({"NCIMHA/a": (LONG_AGO, TODAY - DAY)}, "does not count", None),
        ({"NCIMHA/a": (TODAY + DAY, NO_END)}, "does not count", None),
        ({"NCIMHA/a": (LONG_AGO, NO_END), "NCIMHA/b": (LONG_AGO, AHEAD)}, "ending", AHEAD),
        ({"CT-AIMH/a": (LONG_AGO, NO_END)}, "does not count", None),
    ],
)
def test_the_first_last_day_within_18_months_counts(
    act: Act,
    cast: Cast,
    spans: dict[str, tuple[date, date]],
    status: str,
    last_day: date | None,
) -> None:
    carol = act(CAROL)
    carol.session.exec(delete(ProviderSpan))
    for rule, (starts_on, ends_on) in spans.items():
        dana = cast.people[DANA]
        carol.session.add(
            ProviderSpan(rule=rule, provider_id=dana, starts_on=starts_on, ends_on=ends_on)
        )
    carol.session.flush()
    [found] = lines(carol)
    assert (found.status, found.last_day) == (status, last_day)
    known = {rule: [each] for rule, each in spans.items() if rule.startswith("NCIMHA/")}
    assert {rule: [tuple(span) for span in each] for rule, each in found.spans.items()} == known


def test_hours_of_settled_renewals_only_give_the_last_day(act: Act, cast: Cast) -> None:
    carol, entries = act(CAROL), METADATA.tables["entry"]
    this_year = entries.c.held_on >= date(2026, 1, 1)
    carol.session.connection().execute(entries.delete().where(this_year))
    evaluate_people(carol.session, carol.rulebooks, cast.people.values(), NOW)
    [dana] = lines(carol)
    assert dana.usage == Usage(0, 0, date(2025, 6, 2))
    assert details(carol, cast.people[DANA]).dependents == []
    # So they matter to the association also without its vetting.
    carol.session.exec(delete(Vetting))
    shown = details(carol, cast.people[DANA])
    assert (shown.line.usage, shown.email) == (dana.usage, "")
    assert not is_provider_of(carol.session, carol.rulebooks, "CT-AIMH", TODAY, dana.id)


def test_dependents_with_the_most_hours_come_first(act: Act, cast: Cast) -> None:
    carol, dana = act(CAROL), cast.people[DANA]
    carol.session.get_one(Person, cast.people[EVE]).name = "Aaron Chen"
    for email in (EVE, ERIN):
        held = Endorsement(
            person_id=cast.people[email],
            association="NCIMHA",
            category="IFS",
            starts_on=date(2024, 3, 1),
        )
        carol.session.add(held)
    for email, minutes in ((BOB, 510), (EVE, 510), (ERIN, 600)):
        for activity in ("rsc", "training"):
            entry = Entry(
                person_id=cast.people[email],
                activity=activity,
                held_on=date(2026, 2, 1),
                minutes=minutes,
                title="RSC",
                provider_id=dana if activity == "rsc" else None,
            )
            carol.session.add(entry)
    carol.session.flush()
    evaluate_people(carol.session, carol.rulebooks, cast.people.values(), NOW)
    [found] = [each for each in lines(carol) if each.id == dana]
    assert found.usage == Usage(4, 2130, date(2026, 11, 14))
    dependents = details(carol, dana).dependents
    assert [each.name for each in dependents] == [
        "Erin Vance",
        "Aaron Chen",
        "Alice Moreno",
        "Bob Osei",
    ]
    assert dependents[2] == Dependent(
        cast.people[ALICE],
        cast.endorsements[ALICE],
        "Alice Moreno",
        "IFS",
        sessions=6,
        minutes=510,
        last_on=date(2026, 11, 14),
    )


def test_a_providers_page_has_their_line_of_the_list(act: Act, cast: Cast) -> None:
    carol, dana = act(CAROL), cast.people[DANA]
    person = carol.session.get_one(Person, dana)
    person.takes_supervisees_since, person.provider_line = NOW, "Groups by video"
    vet(carol, cast.people[EVE])
    [first, second] = lines(carol)
    shown = details(carol, dana)
    assert shown.line == first
    assert [each.status for each in shown.credentials] == ["vetted by NCIMHA"]
    [rule] = shown.rules
    assert rule.last_day == date(2027, 12, 21)
    assert rule.days[0].section == "Footnote 1: vetted professionals"
    assert rule.says == "IMHM-C, ERS, or vetted by NCIMHA"
    assert "IFS" in rule.categories
    assert (shown.own_words, shown.takes_supervisees_since) == ("Groups by video", NOW.date())
    shown = details(carol, cast.people[EVE])
    assert (shown.line, shown.email, shown.dependents) == (second, EVE, [])
    assert (shown.own_words, shown.takes_supervisees_since) == ("", None)


def test_the_span_of_today_gives_the_reason() -> None:
    rule, ends_on = "NCIMHA/ifs-rsc", date(2027, 3, 31)
    before, now = (LONG_AGO, date(2021, 1, 1)), (TODAY, ends_on)
    credentials = tuple(Credential("NCIMHA", None, *span) for span in (before, now))
    provider = Provider("Pat Doe", "none", credentials)
    spans = {rule: [Span(*before), Span(*now)]}
    ending = replace(line("Pat", ProviderStatus.ENDING), spans=spans, last_day=ends_on)
    reason = explain_line(BOOKS, "NCIMHA", ending, provider, TODAY)
    assert reason is not None
    assert format_reason(reason) == "Pat Doe's vetting by NCIMHA ends on March 31, 2027"
    counting = line("Pat", ProviderStatus.COUNTS)
    assert explain_line(BOOKS, "NCIMHA", counting, provider, TODAY) is None


def test_endorsements_elsewhere_are_an_associations_own(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    session, eve = carol.session, cast.people[EVE]
    session.get_one(Person, eve).takes_supervisees_since = NOW
    know(session, eve)
    know(session, eve, starts_on=LONG_AGO + DAY)
    know(session, eve, known_to="CT-AIMH")
    know(session, cast.people[BOB])
    know(session, cast.people[ERIN])
    known = list_outside_endorsements(session, "NCIMHA", eve)
    assert [each.starts_on for each in known] == [LONG_AGO + DAY, LONG_AGO]
    assert isinstance(known[0], OutsideEndorsement)
    # A provider's email is for the associations that they belong to.
    shown = details(carol, eve)
    assert (shown.email, shown.outside) == ("", known)
    assert details(carol, cast.people[ERIN]).email == ""
    assert {each.known_to for each in shown.credentials} == {"NCIMHA"}
    [rule] = shown.rules
    assert (rule.counts_today, rule.last_day, rule.reason) == (True, None, None)
    assert shown.roster == RosterEntry("Eve Chen", ("Ohio IMHM-C",), "")
    assert is_provider_of(session, carol.rulebooks, "CT-AIMH", TODAY, eve)
    assert not is_provider_of(session, carol.rulebooks, "VAIMH", TODAY, eve)


def test_the_roster_names_current_credentials_once() -> None:
    person = Person(email="p@example.org", name="Pat Doe", highest_degree="none")
    credentials = (
        Credential("NCIMHA", "IMHM-C", LONG_AGO, None),
        Credential("NCIMHA", "IMHM-C", LONG_AGO, TODAY),
        Credential("NCIMHA", None, LONG_AGO, None),
        Credential("NCIMHA", "ERS", LONG_AGO, TODAY - DAY),
    )
    provider = Provider("Pat Doe", "none", credentials)
    assert roster_entry_of("NCIMHA", person, provider, TODAY) is None
    person.takes_supervisees_since = NOW
    names = ("NCIMHA IMHM-C", "vetted by NCIMHA")
    assert roster_entry_of("NCIMHA", person, provider, TODAY) == RosterEntry("Pat Doe", names, "")
    assert roster_entry_of("NCIMHA", person, provider._replace(credentials=()), TODAY) is None
