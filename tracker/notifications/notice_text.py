"""What each notice has to say, and the words that several kinds of notices share."""

from datetime import date
from typing import NamedTuple

from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_list,
    format_short_date,
    format_short_month_day,
    hours_word,
)
from tracker.mail.contents import Action, Row, Section
from tracker.rulebooks import Rulebooks
from tracker.rules.application.notices import references_so_far
from tracker.rules.notices import Cutoff, Decision
from tracker.rules.providers import format_ending
from tracker.rules.standing import AnyStanding, Outcome, Result, Standing


class NoticeText(NamedTuple):
    """One decision in words.

    ``subjects`` come the fullest first; each says what, and by when. ``headline``, ``intro`` and
    ``alone`` (its section without a title) are used where it leads the mail, or is all of it;
    ``section`` says everything by itself. ``action`` is for an application's own page.
    """

    subjects: list[str]
    headline: str
    intro: str
    alone: Section
    section: Section
    action: Action | None = None


def category_name(rulebooks: Rulebooks, standing: AnyStanding) -> str:
    """The category as its association calls it."""
    rulebook = rulebooks.associations[standing.plan.association]
    return rulebook.categories[standing.plan.category].name


def subject_of(rulebooks: Rulebooks, decision: Decision) -> str:
    """What a notice is about: ``IFS endorsement``, or an application for one, by full name."""
    name = category_name(rulebooks, decision.standing)
    if decision.is_about_application:
        return f"application for the {name} endorsement"
    return f"{name} endorsement"


def application_page(base_url: str, decision: Decision) -> Action | None:
    """The page of the application that a notice is about; None for a renewal's."""
    if not decision.is_about_application:
        return None
    number = decision.standing.facts.subject_id
    return Action("See my application", f"{base_url}/application/{number}")


def short_results(standing: AnyStanding) -> list[Result]:
    """The requirements that are short, in the rulebook's order."""
    return [r for r in standing.results if r.outcome is Outcome.SHORT]


def row_of(result: Result) -> Row:
    """A requirement's row: ``Reflective supervision | 8.5 of 12 hours | 3.5 short``."""
    if result.requirement.counts == "membership":
        return Row(result.requirement.label, "none in force", "missing")
    progress = f"{format_hours(result.counted)} of {format_hours_with_unit(result.required)}"
    return Row(result.requirement.label, progress, f"{format_hours(result.short)} short")


def missing(result: Result) -> str:
    """What is short, in words: ``3.5 RSC hours``, ``1 DEIA hour``, ``membership``."""
    if result.requirement.counts == "membership":
        return "membership"
    plural = "" if result.short == MINUTES_IN_HOUR else "s"
    return f"{format_hours(result.short)} {result.requirement.hours_name} hour{plural}"


def format_left(days: int) -> str:
    """The days left, this day not counted: ``30 days``, ``1 day``, ``Today``."""
    return f"{days} day{'' if days == 1 else 's'}" if days else "Today"


def render_membership(
    rulebooks: Rulebooks, base_url: str, decision: Decision, as_of: date
) -> NoticeText:
    """A membership that ends, or has ended."""
    standing, due_on = decision.standing, decision.key.due_on
    association = standing.plan.association
    result = next(r for r in standing.results if r.requirement.counts == "membership")
    verb = "ended" if as_of > due_on else "ends"
    when = f"Your membership {verb} on {format_date(due_on)}."
    todo = f"Please renew it. Accepted: {result.requirement.about}."
    page = application_page(base_url, decision)
    return NoticeText(
        subjects=_membership_subjects(decision, as_of),
        headline=when,
        intro=f"Your {subject_of(rulebooks, decision)} ({association}) asks for a current membership.",
        alone=Section("", todo),
        section=Section(_title("Membership", decision), f"{when} {todo}", link=page),
        action=page,
    )


def render_cutoff(
    rulebooks: Rulebooks, base_url: str, decision: Decision, as_of: date, months: int
) -> NoticeText:
    """A provider whose sessions stop counting; those of the last ``months`` are told."""
    cutoff = decision.cutoff
    if cutoff is None:
        message = "a cutoff decision names its provider"
        raise ValueError(message)
    name, due_on = cutoff.provider_name, decision.key.due_on
    page = application_page(base_url, decision)
    section = _cutoff_section(cutoff, due_on, as_of, months)
    return NoticeText(
        subjects=_cutoff_subjects(name, due_on, as_of),
        headline=f"Sessions with {name} count until {format_date(due_on)}.",
        intro=(
            "This is about the reflective supervision that your "
            f"{subject_of(rulebooks, decision)} asks for."
        ),
        alone=section,
        section=Section(
            _title(f"Sessions with {name}", decision),
            section.text,
            details=section.details,
            link=page,
        ),
        action=page,
    )


def _title(what: str, decision: Decision) -> str:
    """``what``; and which application it is for, since it may hold for a renewal as well."""
    plan = decision.standing.plan
    if not decision.is_about_application:
        return what
    return f"{what}, for your application ({plan.association} {plan.category})"


def _membership_subjects(decision: Decision, as_of: date) -> list[str]:
    due_on = decision.key.due_on
    what = f"{decision.standing.plan.association} membership"
    verb = "ends" if decision.key.step <= 0 else "ended"
    when = format_short_month_day(due_on)
    days = (due_on - as_of).days
    # The days left set one stage apart from the next, so that no shorter form leaves them out.
    left = f", in {days} days" if days > 1 else ""
    return [f"{what} {verb} {when}{left}", f"Membership {verb} {when}{left}"]


def _cutoff_subjects(name: str, due_on: date, as_of: date) -> list[str]:
    until = format_short_date(due_on)
    left = format_left((due_on - as_of).days)
    return [
        f"{left}: RSC with {name} counts until {until}",
        f"{left}: RSC with {name} counts until {format_short_month_day(due_on)}",
        f"{left}: a provider counts until {until}",
    ]


def _cutoff_section(cutoff: Cutoff, due_on: date, as_of: date, months: int) -> Section:
    return Section(
        "",
        f"Sessions after {format_date(due_on)} will not count; those up to and including that day "
        "do. Please find another qualified provider in time.",
        details=(
            format_ending(cutoff.ending, as_of),
            f"{format_hours_with_unit(cutoff.minutes)} in the last {months} months were with this provider",
        ),
    )


def render_renewal(rulebooks: Rulebooks, decision: Decision, as_of: date) -> NoticeText:
    """A renewal that is short: what is missing, and by when."""
    standing, due_on = decision.renewal, decision.key.due_on
    name, association = category_name(rulebooks, standing), standing.plan.association
    return NoticeText(
        subjects=_subjects(standing, due_on, as_of),
        headline=_headline(standing, due_on, as_of),
        intro=(
            f"Your {name} endorsement ({association}) renews on {format_date(due_on)}; "
            f"that whole day counts.{_only_until(standing, as_of)}{_done(standing)}"
        ),
        alone=_alone(standing),
        section=_section(rulebooks, decision, as_of),
    )


def render_lapse(rulebooks: Rulebooks, decision: Decision, as_of: date) -> NoticeText:
    """A renewal that was not met by the end of its grace period."""
    standing, due_on = decision.renewal, decision.key.due_on
    due = format_short_month_day(due_on)
    return NoticeText(
        subjects=[
            f"{standing.plan.category} renewal due {due} has lapsed",
            "Your renewal has lapsed",
        ],
        headline=f"The renewal of your {category_name(rulebooks, standing)} endorsement has lapsed.",
        intro=(
            f"It was due on {format_date(due_on)}, and the grace period is over. Please reply to your "
            f"coordinator at {standing.plan.association} about what can be done.{_done(standing)}"
        ),
        alone=_alone(standing),
        section=_section(rulebooks, decision, as_of),
    )


def _subjects(standing: Standing, due_on: date, as_of: date) -> list[str]:
    cycle = standing.plan.cycle
    left = (due_on - as_of).days
    items = [missing(result) for result in short_results(standing)]
    count = "1 thing" if len(items) == 1 else f"{len(items)} things"
    whats = [format_list(items), f"{items[0]} and more", f"{count} missing"]
    if left < 0 and cycle:
        until = f"grace ends {format_short_month_day(cycle.grace_ends_on(due_on))}"
        late = -left
        return [f"{late} d overdue: {w}, {until}" for w in whats] + [f"Renewal overdue, {until}"]
    by = format_short_month_day(due_on)
    if left == 0:
        return [f"Today: {w} due {by}" for w in whats]
    if left == 1:
        return [f"Tomorrow: {w} due {by}" for w in whats]
    return [f"{left} days: {w} by {by}" for w in whats]


def _headline(standing: Standing, due_on: date, as_of: date) -> str:
    number = len(short_results(standing))
    things = "One thing" if number == 1 else f"{number} things"
    if as_of > due_on and standing.plan.cycle:
        grace = standing.plan.cycle.grace_ends_on(due_on)
        return f"{things} overdue; the grace period ends on {format_date(grace)}."
    return f"{things} left before the end of {format_date(due_on)}."


def _done(standing: Standing) -> str:
    done = [r.requirement.hours_name for r in standing.results if r.outcome is Outcome.MET]
    return f" Done: {format_list(done)}." if done else ""


def _only_until(standing: Standing, as_of: date) -> str:
    """After a cycle's end only what was held in it counts, whatever grace or extension there is."""
    cycle = standing.plan.cycle
    asks_hours = any(r.requirement.counts != "membership" for r in short_results(standing))
    if cycle is None or as_of <= cycle.ends_on or not asks_hours:
        return ""
    return f" Only sessions up to {format_date(cycle.ends_on)} count for it."


def _alone(standing: Standing) -> Section:
    return Section("", "Still missing:", tuple(map(row_of, short_results(standing))))


def _section(rulebooks: Rulebooks, decision: Decision, as_of: date) -> Section:
    standing = decision.renewal
    until = _only_until(standing, as_of)
    return Section(
        f"{category_name(rulebooks, standing)}, {standing.plan.association}",
        f"Due {format_date(decision.key.due_on)}.{until} Still missing:",
        tuple(map(row_of, short_results(standing))),
    )


def render_window(
    rulebooks: Rulebooks, base_url: str, decision: Decision, as_of: date
) -> NoticeText:
    """An RSC window that closes while hours are missing: how many, and by which day."""
    closes_on = decision.key.due_on
    rows = tuple(map(row_of, decision.lacking))
    rule = (
        f"RSC hours count together only within {_months(decision)} months. {format_date(closes_on)} "
        "is the last day that counts together with your oldest sessions; after it these fall out."
    )
    page = application_page(base_url, decision)
    return NoticeText(
        subjects=_window_subjects(decision, as_of),
        headline=f"Still to hold by the end of {format_date(closes_on)}: {_what(decision)}.",
        intro=f"This is about your {subject_of(rulebooks, decision)} ({_where(decision)}). {rule}",
        alone=Section("", "Still missing:", rows),
        section=Section(
            f"{decision.lacking[0].requirement.label}, for your application ({_which(decision)})",
            f"{rule} Still missing:",
            rows,
            link=page,
        ),
        action=page,
    )


def render_references(
    rulebooks: Rulebooks, base_url: str, decision: Decision, as_of: date
) -> NoticeText:
    """References that are outstanding: how many have come and are waited for, and nothing else."""
    candidate = decision.application.facts.candidate
    asked = next(
        r.required for r in decision.standing.results if r.requirement.counts == "references"
    )
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
    return NoticeText(
        subjects=[f"After {days} days: {received} of {asked} references received"],
        headline=f"{received} of {asked} references received.",
        intro=f"Your {subject_of(rulebooks, decision)} ({_where(decision)}) asks for {asked}.",
        alone=Section("", f"{so_far} {todo}"),
        section=Section(
            f"References, for your application ({_which(decision)})", f"{so_far} {todo}", link=page
        ),
        action=page,
    )


def _window_subjects(decision: Decision, as_of: date) -> list[str]:
    closes_on = decision.key.due_on
    left, when = format_left((closes_on - as_of).days), format_short_month_day(closes_on)
    return [
        f"{left}: {_what(decision)} missing, window ends {when}",
        f"{left}: {_what(decision)} missing by {when}",
        f"{left}: your RSC window ends {when}",
    ]


def _what(decision: Decision) -> str:
    """``12 RSC hours``: the most that one requirement lacks, since some hours lie inside others."""
    most = max(decision.lacking, key=lambda result: result.short)
    word = hours_word(most.requirement.counts, "")
    return f"{format_hours(most.short)} {word} hour{'' if most.short == MINUTES_IN_HOUR else 's'}"


def _months(decision: Decision) -> int | None:
    window = decision.lacking[0].requirement.rule.window
    return window.months if window else None


def _where(decision: Decision) -> str:
    return decision.standing.plan.association


def _which(decision: Decision) -> str:
    return f"{_where(decision)} {decision.standing.plan.category}"
