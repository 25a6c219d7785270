"""The words of a digest: period and run health first, then who needs the coordinator."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from typing import NamedTuple

from tracker.hours import MINUTES_IN_HOUR, count_hours, say_hours
from tracker.jobs.digest_applicants import say_ready, write_applicants
from tracker.jobs.digest_week import Week
from tracker.jobs.words import hours_word, join_words, say_day, say_month_day, say_period
from tracker.mail.contents import Action, DigestMail, Figure, Line, Need, Trend
from tracker.records.mailing.digest import Missing, NamedProvider, StandingLine
from tracker.records.profile.time_requests import LEAVE, Request

_BOUNCED_SHOWN = 10
# The worst first.
_RANKS = ("lapsed", "overdue", "unreachable", "request", "unconfirmed", "behind")


class _Ranked(NamedTuple):
    """One to name, in its place; the words are found only for those who are named."""

    rank: int
    weight: int
    name: str
    url: str
    write: Callable[[str], Need]


def write_digest(week: Week, base_url: str, unsubscribe_url: str, most: int) -> DigestMail:
    """Write the digest; ``most`` people are named, the rest counted. A quiet week prints zeros."""
    ranked = _once(sorted(_needs(week, base_url), key=lambda r: (r.rank, -r.weight, r.name)))
    number = len(ranked)
    ready = say_ready(week.applicants)
    health, healthy = _health(week)
    return DigestMail(
        subject=_subject(week, number, ready),
        association=week.association,
        period=say_period(week.first, week.last),
        headline=_headline(week, number, ready),
        health=health,
        healthy=healthy,
        figures=_figures(week, number),
        needs=tuple(r.write(r.url) for r in ranked[:most]),
        more_needs=max(0, number - most),
        changes=_changes(week),
        trend=_trend(week),
        ahead=tuple(_ahead(week)),
        bounced=tuple(Line(error, address) for address, error in week.refused[:_BOUNCED_SHOWN]),
        more_bounced=max(0, len(week.refused) - _BOUNCED_SHOWN),
        action=Action("Open the dashboard", f"{base_url}/coordinator"),
        why=f"Sent to the coordinators of {week.association} every week.",
        unsubscribe_url=unsubscribe_url,
        applicants=write_applicants(week.applicants, week.association, base_url, most),
    )


def _headline(week: Week, number: int, ready: str) -> str:
    needing = "No renewal needs you." if ready else "Nothing needs you."
    if number:
        needing = f"{number} {'person needs' if number == 1 else 'people need'} you."
    parts = [needing]
    if _says_renewed(week, ready):
        parts.append(f"{week.met} of {week.total} have renewed.")
    return " ".join([*parts, f"{ready}."] if ready else parts)


def _says_renewed(week: Week, ready: str) -> bool:
    """A quiet week prints zeros; an association that only has applicants has other news."""
    return bool(week.total) or not ready


def _subject(week: Week, number: int, ready: str) -> str:
    needing = f"{number} need{'s' * (number == 1)} you" if number else ready or "nothing needs you"
    met = f", {week.met} of {week.total} met" if _says_renewed(week, ready) else ""
    return f"{week.association}: {needing}{met}"


def _health(week: Week) -> tuple[str, bool]:
    mails = f"{week.sent} {'reminder' if week.sent == 1 else 'reminders'} went out this week, "
    mails += f"{len(week.refused)} came back."
    if week.last_evaluation is None:
        return f"The nightly run has not run yet. {mails}", False
    day = week.last_evaluation[0]
    when = "today" if day == week.as_of else f"on {say_day(day)}"
    state = "healthy" if week.healthy else "and not since: please tell your operator"
    if week.missed_nights:
        nights = f"{week.missed_nights} night{'s' * (week.missed_nights != 1)}"
        state = f"after {nights} without one: please tell your operator"
    return f"Last nightly run: {when}, {state}. {mails}", week.healthy


def _figures(week: Week, needing: int) -> tuple[Figure, ...]:
    figures = [
        Figure(str(week.met), f"met{_than_last_week(week)}", "good"),
        Figure(str(week.open), "open, on pace"),
        Figure(str(week.behind), "behind", "warm" if week.behind else "plain"),
        Figure(str(needing), "need you", "warm" if needing else "plain"),
    ]
    return tuple(figures)


def _than_last_week(week: Week) -> str:
    if not week.earlier:
        return ""
    more = week.met - week.earlier[-1][1]["met"]
    if more == 0:
        return ", as last week"
    return f", {abs(more)} {'more' if more > 0 else 'fewer'} than last week"


def _needs(week: Week, base_url: str) -> Iterator[_Ranked]:
    people = f"{base_url}/coordinator/people"
    for line in week.needs:
        rank = _RANKS.index(_why(line))
        write, url = partial(_reach, line, week.as_of), f"{people}/{line.endorsement_id}"
        yield _Ranked(rank, line.short_minutes, line.name, url, write)
    for number, request in enumerate(week.requests):
        rank, write = _RANKS.index("request"), partial(_decide, request)
        # Of requests the oldest comes first.
        url = f"{base_url}/coordinator/requests/{request.id}"
        yield _Ranked(rank, -number, request.name, url, write)
    for named in week.unconfirmed:
        rank, write = _RANKS.index("unconfirmed"), partial(_confirm, named)
        url = f"{people}/{named.endorsement_id}"
        yield _Ranked(rank, named.minutes, named.person_name, url, write)


def _once(ranked: Iterable[_Ranked]) -> list[_Ranked]:
    """The worst of each endorsement: one person with two troubles is one to reach."""
    first: dict[str, _Ranked] = {}
    for each in ranked:
        first.setdefault(each.url, each)
    return list(first.values())


def _why(line: StandingLine) -> str:
    if line.status in ("lapsed", "overdue"):
        return line.status
    return "unreachable" if line.email_refused_at and not line.second_email else "behind"


def _reach(line: StandingLine, as_of: date, url: str) -> Need:
    short = join_words([_short(missing) for missing in line.missing])
    due = f"{say_month_day(line.due_on)} {line.due_on.year}" if line.due_on else ""
    why, todo = _why(line), "reach them"
    if why == "unreachable":
        reason = f"mail to {line.email} came back; no second address"
    elif why == "behind":
        todo, left = "far behind", (line.due_on - as_of).days if line.due_on else 0
        reason = f"{short} to go, {left} days left"
    else:
        reason = f"{why}, was due {due}: {short} missing"
    return Need(line.name, line.category, reason, todo, url)


def _short(missing: Missing) -> str:
    if missing.counts == "membership":
        return missing.counts
    word = hours_word(missing.counts, missing.id.removeprefix(missing.counts).lstrip(".").upper())
    return f"{say_hours(missing.short)} {word} hour{'s' * (missing.short != MINUTES_IN_HOUR)}"


def _decide(request: Request, url: str) -> Need:
    if request.kind == LEAVE:
        reason = f"asks for leave from {say_day(request.starts_on)}"
    else:
        reason = f"asks for a later due date: {say_day(request.ends_on or request.starts_on)}"
    return Need(request.name, request.category, reason, "decide", url)


def _confirm(named: NamedProvider, url: str) -> Need:
    hours = count_hours(named.minutes)
    return Need(
        named.person_name,
        named.category,
        f"named a new RSC provider, {named.provider_name}: qualified or not decides {hours}",
        "confirm provider",
        url,
    )


def _changes(week: Week) -> tuple[Line, ...]:
    counted = (
        f"{week.completed} completed, {week.fell_behind} fell behind, "
        f"{count_hours(week.minutes)} held"
    )
    if week.excused:
        counted += f"; {week.excused} on leave"
    if not week.earlier:
        return (Line(counted, f"{_percent(week.met, week.total)} done"),)
    before = week.earlier[-1][1]
    share = _percent(before["met"], before["total"])
    return (Line(counted, f"{share} → {_percent(week.met, week.total)} done"),)


def _trend(week: Week) -> Trend:
    """Earlier weeks and this one; nothing before there is something to compare."""
    if not week.earlier:
        return Trend()
    weeks = [*week.earlier, (week.monday, week.figures())]
    return Trend(
        ("Week to", "met", "in all", "behind"),
        tuple(
            (say_month_day(day), str(f["met"]), str(f["total"]), str(f["behind"]))
            for day, f in weeks
        ),
    )


def _ahead(week: Week) -> Iterator[Line]:
    for cutoff in week.ahead:
        people = f"{cutoff.endorsees} endorsee{'s' * (cutoff.endorsees != 1)}"
        providers = f"{cutoff.providers} provider{'s' * (cutoff.providers != 1)}"
        text = f"{'stop' if cutoff.providers != 1 else 'stops'} counting after this day"
        yield Line(f"{providers} {text}", people, strong=say_day(cutoff.last_day))


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole) if whole else 0} %"
