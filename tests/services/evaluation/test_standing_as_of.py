"""The standing as of a past day: what was stored then, and what had been decided."""

from datetime import UTC, date, datetime

from sqlmodel import Session

from tests.rules.case_data import REAL, populate
from tests.services.evaluation.test_evaluation import IFS, noon
from tests.support.timeline_items import make_email, make_notice
from tracker.services.evaluation import evaluate_people
from tracker.services.standing_as_of import list_standings_as_of
from tracker.services.timeline import DecidedNotice, SentEmail, TimelineItem, TimelineKind

NOW = datetime(2026, 6, 30, 18, tzinfo=UTC)


def test_standings_of_a_day_are_as_stored_then(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "entries": []})
    people.hold("Alice", "NCIMHA IFS 2026-06-10")
    people.add("Cora", ["CT-AIMH IFS 2015-03-01"])
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-02"))
    people.log("training 1h 2026-03-01")
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-12"))
    names = ("Bob: CT-AIMH IFRS", "Alice: CT-AIMH IFS", "Alice: NCIMHA IFS")
    bob, first, second = ids = [people.endorsements[name] for name in names]

    def list_stored(day: int) -> list[tuple[int, int | None, date | None]]:
        """By endorsement and year: since when it was stored so."""
        return [
            (
                past.standing.facts.subject_id,
                past.standing.due_on.year if past.standing.due_on else None,
                past.stored.since if past.stored else None,
            )
            for past in list_standings_as_of(session, REAL, date(2026, 6, day), ids, [])
        ]

    june_2, june_12 = date(2026, 6, 2), date(2026, 6, 12)
    assert list_stored(1) == [(bob, None, None), (first, 2026, None), (first, 2025, None)]
    assert list_stored(9) == [(bob, None, june_2), (first, 2026, june_2), (first, 2025, june_2)]
    assert set(list_stored(10)) == {*list_stored(9), (second, 2026, None)}
    assert set(list_stored(12)) == {
        (bob, None, june_2),
        (first, 2026, june_12),
        (first, 2025, june_2),
        (second, 2026, june_12),
    }


def notice(number: int, day: int, **other: object) -> DecidedNotice:
    """A decision of June 2026 about Alice's renewal of that year."""
    return make_notice(number, decided_on=date(2026, 6, day), **other)


def test_the_last_notice_by_then_is_shown_with_its_email(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "entries": []})
    sent = notice(3, 9, message_id="<3@x>")
    email = make_email(1, notice(1, 2), sent)
    # Decided again on a later day, but stored earlier.
    last = notice(2, 12)
    contents: list[SentEmail | DecidedNotice] = [
        email,
        notice(4, 9, cycle_starts_on=date(2024, 1, 1)),
        notice(5, 9, category="IMHS"),
        notice(6, 9, association="NCIMHA"),
        last,
    ]
    items = [TimelineItem(NOW, TimelineKind.EMAIL, content, ()) for content in contents]
    ids = [people.endorsements["Alice: CT-AIMH IFS"]]

    def find(day: int) -> tuple[DecidedNotice | None, SentEmail | None]:
        current, before = list_standings_as_of(session, REAL, date(2026, 6, day), ids, items)
        assert (before.notice, before.email) == (None, None)
        return current.notice, current.email

    assert find(1) == (None, None)
    assert find(8) == (notice(1, 2), email)
    assert find(9) == find(11) == (sent, email)
    assert find(12) == (last, None)
    items.append(TimelineItem(NOW, TimelineKind.SKIPPED, notice(7, 12), ()))
    assert find(12) == (notice(7, 12), None)
