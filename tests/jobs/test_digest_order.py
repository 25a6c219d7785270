"""In which order a digest names those who need somebody."""

from datetime import date, timedelta

from tracker.notifications.digest_mail import Week, write_digest
from tracker.services.dashboard import StandingLine

MONDAY = date(2024, 12, 2)
LAPSED = date(2023, 12, 31)
DUE = date(2024, 12, 31)


def line(endorsement: int, name: str, status: str, hours: int) -> StandingLine:
    """A renewal of the current cycle, or (lapsed) of the one before."""
    due_on = LAPSED if status == "lapsed" else DUE
    return StandingLine(
        endorsement_id=endorsement,
        name=name,
        email=f"{name.lower()}@example.org",
        second_email=None,
        email_refused_at=None,
        category="IFS",
        status=status,
        status_since=due_on,
        falls_behind_on=MONDAY,
        is_current=status != "lapsed",
        due_on=due_on,
        short_minutes=hours * 60,
        requirements="[]",
    )


def test_whoever_lapsed_comes_first_though_this_years_hours_are_few_as_well() -> None:
    needs = [
        line(1, "Otto", "open", 20),
        line(2, "Lena", "lapsed", 1),
        line(2, "Lena", "open", 2),
    ]
    week = Week("NCIMHA", MONDAY, as_of=MONDAY + timedelta(days=1), needs=needs)
    mail = write_digest(week, "https://hours.example.org", "", most=12)
    assert [(need.name, need.todo) for need in mail.needs] == [
        ("Lena", "reach them"),
        ("Otto", "far behind"),
    ]
