"""The words of what a renewal and an application have alike: memberships, providers' cutoffs."""

from datetime import date

from tracker.hours import count_hours
from tracker.jobs.news import News, application_page, say_left, subject_of
from tracker.jobs.words import say_day, say_month_day
from tracker.mail.contents import Section
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Cutoff, Decision


def tell_membership(books: Rulebooks, base_url: str, decision: Decision, as_of: date) -> News:
    """A membership that ends, or has ended."""
    standing, due_on = decision.standing, decision.key.due_on
    association = standing.plan.association
    result = next(r for r in standing.results if r.ask.counts == "membership")
    verb = "ended" if as_of > due_on else "ends"
    when = f"Your membership {verb} on {say_day(due_on)}."
    todo = f"Please renew it. Accepted: {result.ask.about}."
    page = application_page(base_url, decision)
    return News(
        subjects=_membership_subjects(decision, as_of),
        headline=when,
        intro=f"Your {subject_of(books, decision)} ({association}) asks for a current membership.",
        alone=Section("", todo),
        section=Section(_title("Membership", decision), f"{when} {todo}", link=page),
        action=page,
    )


def tell_cutoff(
    books: Rulebooks, base_url: str, decision: Decision, as_of: date, months: int
) -> News:
    """A provider whose sessions stop counting; those of the last ``months`` are told."""
    cutoff = decision.cutoff
    if cutoff is None:
        message = "a cutoff decision names its provider"
        raise ValueError(message)
    name, due_on = cutoff.provider_name, decision.key.due_on
    page = application_page(base_url, decision)
    section = _cutoff_section(cutoff, due_on, months)
    return News(
        subjects=_cutoff_subjects(name, due_on, as_of),
        headline=f"Sessions with {name} count until {say_day(due_on)}.",
        intro=(
            "This is about the reflective supervision that your "
            f"{subject_of(books, decision)} asks for."
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
    when = say_month_day(due_on)
    days = (due_on - as_of).days
    # The days left set one stage apart from the next, so that no shorter form leaves them out.
    left = f", in {days} days" if days > 1 else ""
    return [f"{what} {verb} {when}{left}", f"Membership {verb} {when}{left}"]


def _cutoff_subjects(name: str, due_on: date, as_of: date) -> list[str]:
    until = say_month_day(due_on)
    left = say_left((due_on - as_of).days)
    return [
        f"{left}: RSC with {name} counts until {until} {due_on.year}",
        f"{left}: RSC with {name} counts until {until}",
        f"{left}: a provider counts until {until} {due_on.year}",
    ]


def _cutoff_section(cutoff: Cutoff, due_on: date, months: int) -> Section:
    return Section(
        "",
        f"Sessions after {say_day(due_on)} will not count; those up to and including that day "
        "do. Please find another qualified provider in time.",
        details=(
            # The rules explain looking back; here the day is still to come, or today.
            cutoff.ending.reason.replace(" ended on ", " ends on "),
            f"{count_hours(cutoff.minutes)} in the last {months} months were with this provider",
        ),
    )
