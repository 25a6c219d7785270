"""What a notice says of a renewal that is not submitted, or whose fee is not paid."""

from dataclasses import replace
from datetime import date

from tracker.formatting import format_date, format_money
from tracker.mail.contents import Row
from tracker.rules.stages import SubmissionWindow, find_window
from tracker.rules.standing import Result, Standing
from tracker.services.fees import FeeState, view_fees


def find_own_window(standing: Standing) -> SubmissionWindow | None:
    """The days on which a renewal can be submitted; None if nobody submits it."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or not standing.plan.is_submitted:
        return None
    return find_window(cycle, due_on)


def find_submit_path(standing: Standing, today: date) -> str:
    """The page on which a renewal is submitted; empty while its window is not open."""
    window, cycle = find_own_window(standing), standing.plan.cycle
    if window is None or cycle is None or not window.opens_on <= today <= window.closes_on:
        return ""
    return f"/my-year/{standing.facts.subject_id}/{cycle.starts_on}/submit"


def add_window_or_amount(row: Row, standing: Standing, result: Result, today: date) -> Row:
    """The row of a requirement, with the submission window or what is to be paid by when."""
    if result.requirement.counts == "submitted":
        return replace(row, progress=_describe_window(row.progress, standing, today))
    if result.requirement.counts == "paid":
        return replace(row, progress=_describe_fee(row.progress, standing, result, today))
    return row


def _describe_window(words: str, standing: Standing, today: date) -> str:
    window = find_own_window(standing)
    if window is None:
        return words
    if today < window.opens_on:
        return f"{words}, opens {format_date(window.opens_on)}"
    if today > window.closes_on:
        return f"not submitted by {format_date(window.closes_on)}"
    if window.closes_on == standing.due_on:
        return words
    return f"{words}, open through {format_date(window.closes_on)}"


def _describe_fee(words: str, standing: Standing, result: Result, today: date) -> str:
    cycle, facts = standing.plan.cycle, standing.facts
    if cycle is None:
        return words
    payments = {(facts.subject_id, cycle.starts_on): facts.payments}
    for line in view_fees(standing, payments, today):
        if line.fee.id == result.requirement.rule.fee and line.owed:
            amount = f"{words}: {format_money(line.owed, line.currency)}"
            if line.state is not FeeState.OPEN:
                return amount
            words = f"{amount} by {format_date(line.account.on_time_through)}"
            if line.fee.late_amount is None:
                return words
            return f"{words}, {format_money(line.fee.late_amount, line.currency)} later"
    return words
