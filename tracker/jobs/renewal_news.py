"""The words of what only a renewal has: reminders before and after it is due, and its lapse."""

from datetime import date

from tracker.jobs.news import News, category_name, missing, row_of, short_results
from tracker.jobs.words import join_words, say_day, say_month_day, word_for
from tracker.mail.contents import Section
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Decision
from tracker.rules.standing import Outcome, Standing


def tell_renewal(books: Rulebooks, decision: Decision, as_of: date) -> News:
    """A renewal that is short: what is missing, and by when."""
    standing, due_on = decision.standing, decision.key.due_on
    name, association = category_name(books, standing), standing.plan.association
    return News(
        subjects=_subjects(standing, due_on, as_of),
        headline=_headline(standing, due_on, as_of),
        intro=(
            f"Your {name} endorsement ({association}) renews on {say_day(due_on)}; "
            f"that whole day counts.{_only_until(standing, as_of)}{_done(standing)}"
        ),
        alone=_alone(standing),
        section=_section(books, decision, as_of),
    )


def tell_lapse(books: Rulebooks, decision: Decision, as_of: date) -> News:
    """A renewal that was not met by the end of its grace period."""
    standing, due_on = decision.standing, decision.key.due_on
    due = say_month_day(due_on)
    return News(
        subjects=[
            f"{standing.plan.category} renewal due {due} has lapsed",
            "Your renewal has lapsed",
        ],
        headline=f"The renewal of your {category_name(books, standing)} endorsement has lapsed.",
        intro=(
            f"It was due on {say_day(due_on)}, and the grace period is over. Please reply to your "
            f"coordinator at {standing.plan.association} about what can be done.{_done(standing)}"
        ),
        alone=_alone(standing),
        section=_section(books, decision, as_of),
    )


def _subjects(standing: Standing, due_on: date, as_of: date) -> list[str]:
    cycle = standing.plan.cycle
    left = (due_on - as_of).days
    items = [missing(result) for result in short_results(standing)]
    count = "1 thing" if len(items) == 1 else f"{len(items)} things"
    whats = [join_words(items), f"{items[0]} and more", f"{count} missing"]
    if left < 0 and cycle:
        until = f"grace ends {say_month_day(cycle.grace_ends_on(due_on))}"
        late = -left
        return [f"{late} d overdue: {w}, {until}" for w in whats] + [f"Renewal overdue, {until}"]
    by = say_month_day(due_on)
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
        return f"{things} overdue; the grace period ends on {say_day(grace)}."
    return f"{things} left before the end of {say_day(due_on)}."


def _done(standing: Standing) -> str:
    done = [word_for(r.ask) for r in standing.results if r.outcome is Outcome.MET]
    return f" Done: {join_words(done)}." if done else ""


def _only_until(standing: Standing, as_of: date) -> str:
    """After a cycle's end only what was held in it counts, whatever grace or extension there is."""
    cycle = standing.plan.cycle
    asks_hours = any(r.ask.counts != "membership" for r in short_results(standing))
    if cycle is None or as_of <= cycle.ends_on or not asks_hours:
        return ""
    return f" Only sessions up to {say_day(cycle.ends_on)} count for it."


def _alone(standing: Standing) -> Section:
    return Section("", "Still missing:", tuple(map(row_of, short_results(standing))))


def _section(books: Rulebooks, decision: Decision, as_of: date) -> Section:
    standing = decision.standing
    until = _only_until(standing, as_of)
    return Section(
        f"{category_name(books, standing)}, {standing.plan.association}",
        f"Due {say_day(decision.key.due_on)}.{until} Still missing:",
        tuple(map(row_of, short_results(standing))),
    )
