"""The words of a notices mail: one a person a day, holding all that is due."""

from collections.abc import Sequence
from datetime import date, timedelta

from tracker.hours import MINUTES_IN_HOUR, count_hours, say_hours
from tracker.jobs.words import join_words, say_day, say_month_day, word_for
from tracker.mail.contents import Action, NoticesMail, Row, Section
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Kind
from tracker.rules.standing import Outcome, Result, Standing

_DAY = timedelta(days=1)
_SUBJECT_LENGTH = 49
# The news that leads when a mail holds several.
_ORDER = (Kind.LAPSE, Kind.RENEWAL, Kind.MEMBERSHIP, Kind.CUTOFF)

_CLOSING = (
    "Already did them? Logging takes half a minute. On leave, or something in the way? "
    "Reply: your coordinator can help before the deadline."
)
_CLOSINGS = {
    Kind.LAPSE: "Did them in time after all? Log them now, and tell your coordinator.",
    Kind.MEMBERSHIP: "Already renewed? Reply: your coordinator can put it in.",
    Kind.CUTOFF: "Nobody else within reach? Reply: your coordinator can help to find someone.",
}


def write_mail(
    books: Rulebooks,
    config: NoticeConfig,
    base_url: str,
    decisions: Sequence[Decision],
    as_of: date,
) -> NoticesMail:
    """Write the mail about ``decisions`` (at least one; all of one person, none skipped)."""
    ordered = in_order(decisions)
    lead = ordered[0]
    sections = list(dict.fromkeys(_section(books, d, as_of, alone=False) for d in ordered))
    if len(sections) == 1:
        sections = [_section(books, lead, as_of, alone=True)]
    association = books.associations[lead.standing.plan.association]
    return NoticesMail(
        subject=fit(_subjects(lead, as_of)),
        greeting_name=lead.standing.facts.name,
        headline=_headline(books, lead, as_of),
        intro=_intro(books, lead, as_of),
        sections=tuple(sections),
        action=_action(base_url, ordered),
        closing=_CLOSINGS.get(lead.key.kind, _CLOSING),
        why=(
            f"You get this because you hold an endorsement of {association.name}; "
            "reminders stop once everything is in."
        ),
        next_reminder=_next_reminder(config, lead, as_of),
    )


def in_order(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions of one mail; the first one leads: it has the subject, and gets the replies."""
    return sorted(decisions, key=lambda d: (_ORDER.index(d.key.kind), d.key.due_on))


def fit(subjects: Sequence[str]) -> str:
    """The first of ``subjects`` (the fullest first) that is under 50 characters."""
    fitting = [s for s in subjects if len(s) <= _SUBJECT_LENGTH]
    return fitting[0] if fitting else subjects[-1][: _SUBJECT_LENGTH - 1] + "…"


def missing(standing: Standing) -> list[str]:
    """What is short, in words: ``3.5 RSC hours``, ``1 DEIA hour``, ``membership``."""
    return [_missing(r) for r in standing.results if r.outcome is Outcome.SHORT]


def _missing(result: Result) -> str:
    if result.ask.counts == "membership":
        return "membership"
    plural = "" if result.short == MINUTES_IN_HOUR else "s"
    return f"{say_hours(result.short)} {word_for(result.ask)} hour{plural}"


def _subjects(decision: Decision, as_of: date) -> list[str]:
    """Subjects for one decision, the fullest first; each says what, and by when."""
    standing, due_on = decision.standing, decision.key.due_on
    if decision.key.kind is Kind.CUTOFF and decision.cutoff:
        return _cutoff_subjects(decision.cutoff.provider_name, due_on, as_of)
    if decision.key.kind is Kind.MEMBERSHIP:
        what = f"{standing.plan.association} membership"
        verb = "ends" if decision.key.step <= 0 else "ended"
        when = say_month_day(due_on)
        days = (due_on - as_of).days
        # The days left set one stage apart from the next, so that no shorter form leaves them out.
        left = f", in {days} days" if days > 1 else ""
        return [f"{what} {verb} {when}{left}", f"Membership {verb} {when}{left}"]
    if decision.key.kind is Kind.LAPSE:
        due = say_month_day(due_on)
        return [f"{standing.plan.category} renewal due {due} has lapsed", "Your renewal has lapsed"]
    return _renewal_subjects(standing, due_on, as_of)


def _cutoff_subjects(name: str, due_on: date, as_of: date) -> list[str]:
    until = say_month_day(due_on)
    days = (due_on - as_of).days
    left = f"{days} day{'' if days == 1 else 's'}" if days else "Today"
    return [
        f"{left}: RSC with {name} counts until {until} {due_on.year}",
        f"{left}: RSC with {name} counts until {until}",
        f"{left}: a provider counts until {until} {due_on.year}",
    ]


def _renewal_subjects(standing: Standing, due_on: date, as_of: date) -> list[str]:
    cycle = standing.plan.cycle
    left = (due_on - as_of).days
    items = missing(standing)
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


def _headline(books: Rulebooks, decision: Decision, as_of: date) -> str:
    standing, due_on = decision.standing, decision.key.due_on
    if decision.key.kind is Kind.CUTOFF and decision.cutoff:
        name = decision.cutoff.provider_name
        return f"Sessions with {name} count until {say_day(due_on)}."
    if decision.key.kind is Kind.MEMBERSHIP:
        verb = "ended" if as_of > due_on else "ends"
        return f"Your membership {verb} on {say_day(due_on)}."
    name = _category(books, standing)
    if decision.key.kind is Kind.LAPSE:
        return f"The renewal of your {name} endorsement has lapsed."
    number = len(missing(standing))
    things = "One thing" if number == 1 else f"{number} things"
    if as_of > due_on and standing.plan.cycle:
        grace = standing.plan.cycle.grace_ends_on(due_on)
        return f"{things} overdue; the grace period ends on {say_day(grace)}."
    return f"{things} left before the end of {say_day(due_on)}."


def _intro(books: Rulebooks, decision: Decision, as_of: date) -> str:
    standing = decision.standing
    name, association = _category(books, standing), standing.plan.association
    done = [word_for(r.ask) for r in standing.results if r.outcome is Outcome.MET]
    finished = f" Done: {join_words(done)}." if done else ""
    if decision.key.kind is Kind.CUTOFF:
        return f"This is about the reflective supervision that your {name} endorsement asks for."
    if decision.key.kind is Kind.MEMBERSHIP:
        return f"Your {name} endorsement ({association}) asks for a current membership."
    if decision.key.kind is Kind.LAPSE:
        return (
            f"It was due on {say_day(decision.key.due_on)}, and the grace period is over. "
            f"Please reply to your coordinator at {association} about what can be done.{finished}"
        )
    return (
        f"Your {name} endorsement ({association}) renews on {say_day(decision.key.due_on)}; "
        f"that whole day counts.{_only_until(standing, as_of)}{finished}"
    )


def _only_until(standing: Standing, as_of: date) -> str:
    """After a cycle's end only what was held in it counts, whatever grace or extension there is."""
    cycle = standing.plan.cycle
    if cycle is None or as_of <= cycle.ends_on or not any(map(_asks_hours, _short(standing))):
        return ""
    return f" Only sessions up to {say_day(cycle.ends_on)} count for it."


def _asks_hours(result: Result) -> bool:
    return result.ask.counts != "membership"


def _section(books: Rulebooks, decision: Decision, as_of: date, *, alone: bool) -> Section:
    standing, due_on = decision.standing, decision.key.due_on
    if decision.key.kind is Kind.CUTOFF and decision.cutoff:
        return _cutoff_section(decision, alone=alone)
    if decision.key.kind is Kind.MEMBERSHIP:
        result = next(r for r in standing.results if r.ask.counts == "membership")
        verb = "ended" if as_of > due_on else "ends"
        renew = f"Accepted: {result.ask.about}."
        text = f"Yours {verb} on {say_day(due_on)}. Please renew it. {renew}"
        return Section("" if alone else "Membership", text)
    title = "" if alone else f"{_category(books, standing)}, {standing.plan.association}"
    until = _only_until(standing, as_of)
    text = "Still missing:" if alone else f"Due {say_day(due_on)}.{until} Still missing:"
    return Section(title, text, tuple(map(_row, _short(standing))))


def _cutoff_section(decision: Decision, *, alone: bool) -> Section:
    cutoff, due_on = decision.cutoff, decision.key.due_on
    if cutoff is None:
        message = "a cutoff decision names its provider"
        raise ValueError(message)
    return Section(
        "" if alone else f"Sessions with {cutoff.provider_name}",
        f"Sessions after {say_day(due_on)} will not count; those up to and including that day "
        "do. Please find another qualified provider in time.",
        details=(
            # The rules explain looking back; here the day is still to come, or today.
            cutoff.ending.reason.replace(" ended on ", " ends on "),
            f"{count_hours(cutoff.minutes)} in the last months were with this provider",
        ),
    )


def _row(result: Result) -> Row:
    if result.ask.counts == "membership":
        return Row(result.ask.label, "none in force", "missing")
    progress = f"{say_hours(result.counted)} of {count_hours(result.required)}"
    return Row(result.ask.label, progress, f"{say_hours(result.short)} short")


def _short(standing: Standing) -> list[Result]:
    return [r for r in standing.results if r.outcome is Outcome.SHORT]


def _action(base_url: str, decisions: Sequence[Decision]) -> Action:
    """The prefilled form for the first hours that are missing; else the person's page."""
    for decision in decisions:
        for result in _short(decision.standing):
            if result.ask.counts != "membership":
                topic = f"&topic={result.ask.topic}" if result.ask.topic else ""
                return Action("Log hours", f"{base_url}/log?activity={result.ask.counts}{topic}")
    return Action("See my year", f"{base_url}/my-year")


def _next_reminder(config: NoticeConfig, decision: Decision, as_of: date) -> str | None:
    if decision.key.kind is not Kind.RENEWAL:
        return None
    steps = sorted([-d for d in config.renewal.before] + list(config.renewal.after))
    days = [decision.key.due_on + step * _DAY for step in steps]
    following = next((d for d in days if d > as_of), None)
    return say_month_day(following, whole=True) if following else None


def _category(books: Rulebooks, standing: Standing) -> str:
    book = books.associations[standing.plan.association]
    return book.categories[standing.plan.category].name
