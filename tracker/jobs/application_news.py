"""The words of what only an application has: its RSC window, and its references."""

from datetime import date

from tracker.hours import MINUTES_IN_HOUR, say_hours
from tracker.jobs.news import News, application_page, row_of, say_left, subject_of
from tracker.jobs.words import hours_word, say_day, say_month_day
from tracker.mail.contents import Action, Section
from tracker.rulebooks import Rulebooks
from tracker.rules.application_notices import references_so_far
from tracker.rules.notices import Decision


def tell_window(books: Rulebooks, base_url: str, decision: Decision, as_of: date) -> News:
    """An RSC window that closes while hours are missing: how many, and by which day."""
    closes_on = decision.key.due_on
    rows = tuple(map(row_of, decision.lacking))
    rule = (
        f"RSC hours count together only within {_months(decision)} months. {say_day(closes_on)} "
        "is the last day that counts together with your oldest sessions; after it these fall out."
    )
    page = application_page(base_url, decision)
    return News(
        subjects=_window_subjects(decision, as_of),
        headline=f"Still to hold by the end of {say_day(closes_on)}: {_what(decision)}.",
        intro=f"This is about your {subject_of(books, decision)} ({_where(decision)}). {rule}",
        alone=Section("", "Still missing:", rows),
        section=Section(
            f"{decision.lacking[0].ask.label}, for your application ({_which(decision)})",
            f"{rule} Still missing:",
            rows,
            link=page,
        ),
        action=page,
    )


def tell_references(books: Rulebooks, base_url: str, decision: Decision, as_of: date) -> News:
    """References that are outstanding: how many have come and are waited for, and nothing else."""
    candidate = decision.standing.facts.candidate
    if candidate is None:
        message = "only an application has references"
        raise ValueError(message)
    asked = next(r.required for r in decision.standing.results if r.ask.counts == "references")
    received, waiting = references_so_far(candidate)
    so_far = f"Received: {received} of {asked}. Waiting: {waiting}."
    todo = "See there who has been asked and has not answered, and ask or name somebody else."
    if received + waiting < asked:
        todo = f"Please name {asked - received - waiting} more."
    days = (as_of - decision.key.due_on).days
    page = Action(
        "See my references",
        f"{base_url}/application/{decision.standing.facts.subject_id}/references",
    )
    return News(
        subjects=[f"After {days} days: {received} of {asked} references received"],
        headline=f"{received} of {asked} references received.",
        intro=f"Your {subject_of(books, decision)} ({_where(decision)}) asks for {asked}.",
        alone=Section("", f"{so_far} {todo}"),
        section=Section(
            f"References, for your application ({_which(decision)})", f"{so_far} {todo}", link=page
        ),
        action=page,
    )


def _window_subjects(decision: Decision, as_of: date) -> list[str]:
    closes_on = decision.key.due_on
    left, when = say_left((closes_on - as_of).days), say_month_day(closes_on)
    return [
        f"{left}: {_what(decision)} missing, window ends {when}",
        f"{left}: {_what(decision)} missing by {when}",
        f"{left}: your RSC window ends {when}",
    ]


def _what(decision: Decision) -> str:
    """``12 RSC hours``: the most that one requirement lacks, since some hours lie inside others."""
    most = max(decision.lacking, key=lambda result: result.short)
    word = hours_word(most.ask.counts, "")
    return f"{say_hours(most.short)} {word} hour{'' if most.short == MINUTES_IN_HOUR else 's'}"


def _months(decision: Decision) -> int | None:
    window = decision.lacking[0].ask.rule.window
    return window.months if window else None


def _where(decision: Decision) -> str:
    return decision.standing.plan.association


def _which(decision: Decision) -> str:
    return f"{_where(decision)} {decision.standing.plan.category}"
