"""Asks for an association's first day in this system if an import can't do without it."""

from collections.abc import Collection

from sqlmodel import Session

from tracker.formatting import format_count, format_date
from tracker.importer.problems import ImportProblem, ImportRefused
from tracker.services.first_days import UndecidedAssociation, list_undecided


class FirstDayNeeded(ImportRefused):
    """New endorsees would be greeted as overdue or lapsed, and it may be for lack of records."""

    def __init__(self, undecided: list[UndecidedAssociation]) -> None:
        self.undecided = undecided
        super().__init__([_describe(each) for each in undecided])


def check_first_days(session: Session, new_ids: Collection[int]) -> None:
    """Check that no new endorsement is overdue or lapsed at an association without a first day.

    Standings are evaluated. Raises FirstDayNeeded.
    """
    if undecided := list_undecided(session, new_ids):
        raise FirstDayNeeded(undecided)


def _describe(undecided: UndecidedAssociation) -> ImportProblem:
    name = undecided.association
    renewals = format_count(undecided.renewals, "renewal")
    return ImportProblem(
        "endorsements.csv",
        f"{renewals} of {name} would be overdue or lapsed at once, such as {undecided.email}'s of "
        f"{format_date(undecided.due_on)}. Since which day has {name} kept its records in this "
        f"system? Add --first-day {name}=YYYY-MM-DD: renewals due before have no records here. If "
        f"all its records are here, add --first-day {name}=none.",
    )
