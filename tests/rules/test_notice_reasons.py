"""Why notices of a renewal are skipped, on the days on which the reasons begin and end."""

from datetime import date, timedelta

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tests.rules.test_application_notices import maya
from tests.rules.test_notices import ALL_HOURS, BOB, CONFIG, alice, decisions, reasons, sent
from tracker.rulebooks import with_rulebook
from tracker.rules.notices import (
    Decision,
    Key,
    Kind,
    decide,
    find_inactive,
    find_next_membership,
    last_membership,
)
from tracker.rules.providers import Ending
from tracker.rules.standing import Absence, Span, Status, Submitted

DAY = timedelta(days=1)
FIRST, YEAR_END = date(2024, 1, 1), date(2024, 12, 31)
UNTIL = date(2024, 8, 15)


def membership_reasons(until: date, following: date) -> set[str]:
    """Why a notice a week before a membership ends is skipped, if another one follows."""
    day = until - 7 * DAY
    spans = (Span(FIRST, until), Span(following, date(2025, 12, 31)))
    standing = alice(day, minutes=ALL_HOURS, memberships=spans)
    return reasons(decisions(standing, day), Kind.MEMBERSHIP) - {"a later step was due as well"}


@pytest.mark.parametrize(
    ("until", "following", "is_quiet"),
    [
        # As long as the grace period of 31 days, and a day longer.
        (UNTIL, UNTIL + 32 * DAY, True),
        (UNTIL, UNTIL + 33 * DAY, False),
        # The membership is checked on the last day of the cycle.
        (date(2024, 12, 20), YEAR_END, True),
        (date(2024, 12, 20), YEAR_END + DAY, False),
        (YEAR_END, date(2025, 1, 10), True),
        (YEAR_END - DAY, date(2025, 1, 10), False),
    ],
)
def test_short_gap_between_memberships_needs_no_notice(
    until: date, following: date, *, is_quiet: bool
) -> None:
    expected = {f"the next membership, from {following}, is on record"} if is_quiet else set()
    assert membership_reasons(until, following) == expected


def test_membership_for_life_has_no_notice() -> None:
    spans = (Span(FIRST, date.max),)
    standing = alice(UNTIL, minutes=ALL_HOURS, memberships=spans)
    assert [d for d in decisions(standing, UNTIL) if d.key.kind is Kind.MEMBERSHIP] == []


def test_memberships_and_providers_are_told_of_on_the_last_day() -> None:
    spans = (Span(FIRST, YEAR_END - DAY),)
    bob = BOB._replace(ending=Ending("Bob", YEAR_END))
    standing = alice(YEAR_END, minutes=ALL_HOURS, memberships=spans)
    found = [d for d in decisions(standing, YEAR_END, cutoffs=(bob,)) if d.skipped is None]
    told = {d.key: d.cutoff for d in found if d.key.kind is not Kind.RENEWAL}
    assert told == {
        Key(Kind.MEMBERSHIP, "", YEAR_END - DAY, 1): None,
        Key(Kind.CUTOFF, "7", YEAR_END, -30): bob,
    }


def test_memberships_before_and_after_a_day_are_found() -> None:
    spans = (
        Span(date(2024, 9, 1), date(2024, 9, 30)),
        Span(date(2024, 7, 1), date(2024, 8, 14)),
        Span(date(2024, 11, 1), date(2024, 11, 30)),
        Span(date(2024, 1, 1), date(2024, 6, 30)),
    )
    standing = alice(UNTIL, memberships=spans)
    assert last_membership(standing, UNTIL) == date(2024, 8, 14)
    assert last_membership(standing, date(2024, 8, 14)) == date(2024, 6, 30)
    assert last_membership(standing, FIRST) is None
    assert find_next_membership(standing, UNTIL) == spans[0]
    assert find_next_membership(standing, date(2024, 9, 1)) == spans[2]
    assert find_next_membership(standing, date(2024, 11, 1)) is None


@pytest.mark.parametrize(
    ("last_day", "why"),
    [
        (YEAR_END - DAY, set()),
        (YEAR_END, {"the endorsement ends before"}),
    ],
)
def test_provider_who_outlasts_the_endorsement_is_no_news(last_day: date, why: set[str]) -> None:
    day = last_day - 30 * DAY
    standing = alice(day, minutes=ALL_HOURS, ends_on=YEAR_END)
    found = decisions(standing, day, cutoffs=(BOB._replace(ending=Ending("Bob", last_day)),))
    assert reasons(found, Kind.CUTOFF) - {"a later step was due as well"} == why


@pytest.mark.parametrize(("kind", "word"), [("inactive", "inactive"), ("emeritus", "emeritus")])
def test_nobody_hears_of_memberships_and_providers_while_inactive(kind: str, word: str) -> None:
    day = date(2024, 8, 31)
    away = (Absence(date(2024, 8, 1), date.max, kind),)  # type: ignore[arg-type]
    standing = alice(day, leaves=away, memberships=(Span(FIRST, day + 7 * DAY),))
    found = decisions(standing, day, cutoffs=(BOB,))
    assert sent(found) == []
    for each in (Kind.MEMBERSHIP, Kind.CUTOFF):
        assert f"the endorsement is {word}" in reasons(found, each)


def test_membership_stays_required_while_some_are_inactive() -> None:
    # RESTING excuses hours of the inactive, and no memberships.
    day = date(2027, 11, 30)
    away = (Absence(date(2026, 11, 1), date(2027, 12, 31), "inactive"),)
    standing = alice(
        day,
        cycle=day,
        rulebooks=IMAGINED,
        association="RESTING",
        leaves=away,
        memberships=(Span(FIRST, day + 7 * DAY),),
    )
    found = decisions(standing, day)
    assert (Kind.MEMBERSHIP, day + 7 * DAY, -7) in sent(found)


def test_only_what_counts_as_inactive_is_found() -> None:
    leave = Absence(date(2026, 1, 1), date(2027, 6, 30))
    short = Absence(date(2026, 1, 1), date(2026, 12, 30), "inactive")
    long = Absence(date(2026, 1, 1), date(2026, 12, 31), "inactive")
    day = date(2026, 6, 1)
    for leaves, expected in (((), None), ((leave,), None), ((leave, short), None), ((long,), long)):
        standing = alice(day, cycle=day, rulebooks=IMAGINED, association="RESTING", leaves=leaves)
        assert find_inactive(standing, day) == expected


def test_decision_is_about_a_renewal_or_an_application() -> None:
    key = Key(Kind.MEMBERSHIP, "", UNTIL, -7)
    renewal, application = Decision(alice(UNTIL), key, None), Decision(maya(UNTIL), key, None)
    assert (renewal.subject, application.subject) == ((False, 1), (True, 5))
    assert renewal.renewal is renewal.standing
    assert application.application is application.standing
    with pytest.raises(TypeError, match="membership"):
        assert renewal.application
    with pytest.raises(TypeError, match="membership"):
        assert application.renewal


def test_lapse_in_another_year_has_its_own_key() -> None:
    day = date(2025, 2, 1)
    standing = alice(day)
    assert standing.status is Status.LAPSED
    found = decide(CONFIG, standing, (), {}, day)
    lapses = [d.key for d in found if d.key.kind is Kind.LAPSE]
    assert lapses == [Key(Kind.LAPSE, "2024-01-01", YEAR_END, 32)]


@pytest.mark.parametrize(
    ("span", "minutes", "is_quiet"),
    [
        (Span(YEAR_END, date(2025, 12, 31)), ALL_HOURS, True),
        (Span(date(2024, 12, 15), YEAR_END), ALL_HOURS, True),
        (Span(date(2024, 12, 15), YEAR_END - DAY), ALL_HOURS, False),
        (Span(date(2024, 12, 15), YEAR_END), {**ALL_HOURS, "rsc": 719}, False),
    ],
)
def test_membership_that_begins_in_time_needs_no_reminder(
    span: Span, minutes: dict[str, int], *, is_quiet: bool
) -> None:
    day = YEAR_END - 30 * DAY
    found = decisions(alice(day, minutes=minutes, memberships=(span,)), day)
    assert ((Kind.RENEWAL, YEAR_END, -30) not in sent(found)) == is_quiet


def test_year_without_a_membership_keeps_its_reminders() -> None:
    day = date(2027, 12, 1)
    standing = alice(
        day,
        cycle=day,
        rulebooks=IMAGINED,
        association="TRIENNIAL",
        minutes={"training": 45 * 60, "rsc": 36 * 60},
        memberships=(Span(date(2026, 1, 1), date(2028, 12, 31)),),
    )
    assert standing.covered_until == date(2028, 12, 31)
    found = decisions(standing, day)
    assert (Kind.RENEWAL, date(2027, 12, 31), -30) in sent(found)


def test_step_of_a_missed_night_is_sent_the_next_day() -> None:
    day = YEAR_END - 29 * DAY
    renewal = {Key(Kind.RENEWAL, "2024-01-01", YEAR_END, step): FIRST for step in (-90, -60)}
    membership = {Key(Kind.MEMBERSHIP, "", UNTIL, -7): FIRST}
    for decided in (renewal, membership):
        found = sent(decisions(alice(day), day, decided=decided))
        assert found == [(Kind.RENEWAL, YEAR_END, -30)]


def test_waived_training_is_no_reason_about_providers() -> None:
    day = YEAR_END - 30 * DAY
    bob = BOB._replace(ending=Ending("Bob", YEAR_END))
    found = decisions(alice(day, waived=("training",)), day, cutoffs=(bob,))
    assert (Kind.CUTOFF, YEAR_END, -30) in sent(found)


def test_months_on_leave_excuse_without_the_due_date() -> None:
    day, due_on = date(2028, 1, 29), date(2028, 2, 28)
    leave = (Absence(date(2025, 1, 1), date(2027, 12, 31)),)
    standing = alice(
        day,
        cycle=date(2027, 6, 1),
        rulebooks=IMAGINED,
        association="TRIENNIAL",
        leaves=leave,
        memberships=(Span(FIRST, date.max),),
        extended_due_on=due_on,
    )
    assert standing.status is Status.EXCUSED
    assert "excused in this cycle" in reasons(decisions(standing, day))


def test_membership_not_required_on_days_away_has_no_notice() -> None:
    rule = 'excuses = "all that is missing"\nrequirements = ["training", "rsc"]\n'
    by_day = 'excuses = "hours in proportion"\nmembership = "excused"\n'
    rulebooks = with_rulebook(IMAGINED, change_rulebook("resting", (rule, by_day)))
    day = date(2026, 6, 1)
    standing = alice(
        day,
        cycle=day,
        rulebooks=rulebooks,
        association="RESTING",
        leaves=(Absence(date(2026, 1, 1), date(2026, 12, 31), "inactive"),),
        memberships=(Span(FIRST, day + 7 * DAY),),
    )
    assert "the endorsement is inactive" in reasons(decisions(standing, day), Kind.MEMBERSHIP)


def test_submitted_renewal_waits_for_the_association() -> None:
    day = date(2027, 12, 1)
    ethics = Submitted(date(2027, 11, 15), frozenset({"ethics"}))
    waits = "the renewal is submitted, and waits for the association"
    for submitted, memberships, is_quiet in (
        (ethics, (Span(FIRST, date.max),), True),
        (ethics, (), False),
        (None, (Span(FIRST, date.max),), False),
    ):
        standing = alice(
            day,
            cycle=day,
            rulebooks=IMAGINED,
            association="ATTESTING",
            memberships=memberships,
            submitted=submitted,
        )
        found = decisions(standing, day)
        assert (waits in reasons(found)) == is_quiet
        assert ((Kind.RENEWAL, date(2027, 12, 31), -30) in sent(found)) == (not is_quiet)
