"""Asks for an association's first day in this system if an import can't do without it."""

from tracker.formatting import format_count, format_date
from tracker.importer.problems import ImportProblem, ImportRefused
from tracker.services.first_days import ProvisionalDay, UndecidedAssociation


class FirstDayNeeded(ImportRefused):
    """New endorsees would be greeted as overdue or lapsed, and it may be for lack of records."""

    def __init__(self, undecided: list[UndecidedAssociation]) -> None:
        self.undecided = undecided
        super().__init__([_describe(each) for each in undecided])


def format_provisional_day(provisional: ProvisionalDay) -> str:
    """Say what an import took as the first day, and how to change it."""
    undecided = provisional.undecided
    name, renewals = undecided.association, format_count(undecided.renewals, "renewal")
    return (
        f"since which day has {name} kept its records in this system? Nobody has said, so it is "
        f"taken to be {format_date(provisional.first_day)}. Otherwise {renewals} would be overdue "
        f"or lapsed at once, such as {undecided.email}'s of {format_date(undecided.due_on)}; "
        f"renewals due before the first day have no records here.{_describe_late(provisional)} "
        "If it is another day, or if all "
        f'records are here (none), run `tracker first-day set {name} DATE --reason "..."`, or '
        f"import with --first-day {name}=DATE."
    )


def describe_taken_day(provisional: ProvisionalDay) -> str:
    """Say to a coordinator what an import takes as the first day, and what that means."""
    undecided = provisional.undecided
    renewals = format_count(undecided.renewals, "renewal")
    return (
        f"{renewals} would be overdue or lapsed at once, such as {undecided.email}\u2019s of "
        f"{format_date(undecided.due_on)}. So {undecided.association} is taken to have kept its "
        f"records here since {format_date(provisional.first_day)}: renewals due before that day "
        f"have no records here, and nobody is told that they lapsed.{_describe_late(provisional)} "
        "If it is another day, tell the operator of this site."
    )


def _describe_late(provisional: ProvisionalDay) -> str:
    """Say that renewals are late although a day was taken, which keeps the standings of others."""
    if not provisional.late:
        return ""
    renewals = format_count(provisional.late, "renewal")
    verb = "is" if provisional.late == 1 else "are"
    return (
        f" {renewals} {verb} overdue or lapsed from the start, because others at "
        f"{provisional.undecided.association} have a standing for these due dates. If hours were "
        "logged elsewhere, import them too."
    )


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
