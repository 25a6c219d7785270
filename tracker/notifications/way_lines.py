"""The digest's lines about submitted renewals, audits, fees, and submission windows."""

from collections.abc import Iterator

from tracker.formatting import format_count, format_date, format_money
from tracker.mail.contents import Line
from tracker.rules.stages import Stage
from tracker.services.way_counts import WayCounts

_IN_AUDIT = (Stage.DRAWN, Stage.ASKED, Stage.SENT, Stage.APPEALED)
_ACCEPTED = (Stage.ACCEPTED, Stage.PASSED, Stage.RENEWED)


def list_way_lines(way: WayCounts) -> Iterator[Line]:
    """How many renewals are submitted, in an audit, or accepted, and what was paid of the fees."""
    if way.stages:
        waiting = way.count(Stage.NEEDS_ATTENTION, Stage.SUBMITTED)
        returned = way.count(Stage.RETURNED, Stage.NOT_PASSED)
        unsubmitted = format_count(way.count(Stage.OPEN, Stage.EARLY, Stage.CLOSED), "renewal")
        parts = [f"{unsubmitted} not submitted", f"{waiting} submitted and not decided"]
        if returned:
            parts.append(f"{returned} returned")
        yield Line(", ".join(parts), f"{way.count(*_ACCEPTED)} accepted")
        if audits := way.count(*_IN_AUDIT):
            answered = way.count(Stage.SENT, Stage.APPEALED)
            note = f"{answered} to decide" if answered else ""
            yield Line(f"{format_count(audits, 'renewal')} in an audit", note)
    if way.fees is not None:
        paid, due = (format_money(cents, way.currency) for cents in (way.fees.paid, way.fees.due))
        owed = format_money(way.fees.owed, way.currency)
        yield Line(f"{paid} of {due} in fees paid", f"{owed} to pay")


def list_window_lines(way: WayCounts) -> Iterator[Line]:
    """The first and the last days to submit in the next weeks."""
    for counts, words in ((way.opening, "first"), (way.closing, "last")):
        for day, number in sorted(counts.items()):
            note = f"{number} not submitted"
            yield Line(f"the {words} day to submit a renewal", note, strong=format_date(day))
