"""The hours that the demo's endorsees have logged, as rows of entries.csv."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import cycle

from tracker.demo.cast import Cast, Endorsee
from tracker.demo.providers import Provider
from tracker.demo.stories import Role, Stories
from tracker.hours import say_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.plan import Ask, Plan

Row = dict[str, str]
_DAY = timedelta(days=1)
# Nobody logs more than this on one day, however little of the year has passed.
_A_DAY = 9 * 60
_SHIFTS = 24
_HALF_AN_HOUR = 30
# How long after its due date an extension is given to a cycle that is over.
_STILL_FRESH = timedelta(days=45)


def is_fresh(ended: Cycle, today: date) -> bool:
    """Whether a cycle is over for so short a time that it may still be extended."""
    return today <= ended.due_on + _STILL_FRESH


def entries_of(
    books: Rulebooks, stories: Stories, cast: Cast, endorsee: Endorsee, today: date
) -> Iterator[Row]:
    """The hours of the cycle before and of the current one, for the first endorsement."""
    association, category, starts_on = endorsee.endorsements[0]
    story = endorsee.story
    current = books.plan(association, category, starts_on, today)
    if not current or not current.cycle:
        return
    before = books.plan(association, category, starts_on, current.cycle.starts_on - _DAY)
    passed = (today - current.cycle.starts_on).days + 1
    whole = (current.cycle.ends_on - current.cycle.starts_on).days + 1
    if before and before.cycle and before.cycle.share:
        fresh = is_fresh(before.cycle, today)
        share = story.last_cycle if fresh or not story.extended else 1.0
        # Whoever does not count now was no trouble then.
        role: Role = "ending" if story.provider == "ending" else "qualified"
        seen = partial(_seen, books, cast, endorsee, before, role)
        until, topics = before.cycle.ends_on, story.topics or not fresh
        yield from _hours(stories, endorsee, before, share, until, seen, topics=topics)
    spread = _own_number(endorsee)
    if story.share == "pace":
        share, last = min(passed / whole * (1.04 + spread / 2000), 1.0), today
    else:
        # Who has done everything has done so some time ago.
        share, last = story.share, today - int(passed * spread / 600) * _DAY
    seen = partial(_seen, books, cast, endorsee, current, story.provider)
    yield from _hours(stories, endorsee, current, share, last, seen, topics=story.topics)


def _own_number(endorsee: Endorsee) -> int:
    """From 0 to 96, each person's own: not everyone does the same on the same days."""
    return int.from_bytes(endorsee.email.encode()) % 97


def _hours(
    stories: Stories,
    endorsee: Endorsee,
    plan: Plan,
    share: float,
    last: date,
    seen: Callable[[date], list[Provider]],
    *,
    topics: bool,
) -> Iterator[Row]:
    """Sessions from the cycle's first day, or the endorsement's, to ``last``."""
    started = plan.cycle.starts_on if plan.cycle else last
    first = max(started, endorsee.endorsements[0][2])
    room = {first + n * _DAY: _A_DAY for n in range(max(0, (last - first).days) + 1)}
    shift = _own_number(endorsee) % _SHIFTS
    asks = {ask.counts: ask for ask in plan.asks if ask.topic is None}
    if "training" in asks:
        lengths = _lengths(asks["training"], share, stories.training_minutes)
        about = [a for a in plan.asks if a.topic and topics][:1]
        for n, (day, length) in enumerate(_spread(room, lengths, shift)):
            title = stories.trainings[n % len(stories.trainings)]
            told = _topics(about, length) if n == 0 else ""
            yield _row(endorsee, "training", day, length, title=title, topics=told)
    if "rsc" in asks:
        lengths = _lengths(asks["rsc"], share, stories.rsc_minutes)
        for n, (day, length) in enumerate(_spread(room, lengths, shift)):
            email = seen(day)[n % 2].email
            kind = "individual" if length <= stories.rsc_minutes[0] else "group"
            cells = {"title": stories.rsc, "provider_email": email, "format": kind}
            yield _row(endorsee, "rsc", day, length, **cells)


def _lengths(ask: Ask, share: float, usual: Sequence[int]) -> list[int]:
    """Lengths of sessions, in minutes, that come to a share of what is asked (half hours)."""
    left = round(ask.amount * share / _HALF_AN_HOUR) * _HALF_AN_HOUR
    lengths: list[int] = []
    for length in cycle(usual):
        if left <= sum(lengths):
            break
        lengths.append(min(length, left - sum(lengths)))
    return lengths


def _row(endorsee: Endorsee, activity: str, day: date, minutes: int, **cells: str) -> Row:
    return {
        "email": endorsee.email,
        "activity": activity,
        "date": day.isoformat(),
        "hours": say_hours(minutes),
        **dict.fromkeys(("title", "topics", "provider_email", "format"), ""),
        **cells,
    }


def _topics(asks: list[Ask], minutes: int) -> str:
    """What one training was about, as far as it is asked and the training is long enough."""
    return "; ".join(f"{a.topic}:{say_hours(min(a.amount, minutes))}" for a in asks)


def _spread(room: dict[date, int], lengths: list[int], shift: int) -> Iterator[tuple[date, int]]:
    """Each length with its day, evenly over those with room for it, but for ``shift``."""
    days = list(room)
    number = len(lengths)
    for n, minutes in enumerate(lengths):
        start = ((2 * n + 1) * len(days) // (2 * number) + shift) % len(days)
        for day in days[start:] + days[:start]:
            if room[day] >= minutes:
                room[day] -= minutes
                yield day, minutes
                break


def _seen(
    books: Rulebooks, cast: Cast, endorsee: Endorsee, plan: Plan, role: Role, day: date
) -> list[Provider]:
    """The two providers, or the one twice, whom the endorsee's story sees in turn on a day."""
    known = [p for p in cast.providers if p.rule == plan.provider_rule]
    good = [p for p in known if p.role == "qualified" and p.counts_on(books, p.rule, day)]
    plans = [books.plan(*held, day) for held in endorsee.endorsements[1:]]
    rules = [other.provider_rule for other in plans if other and other.provider_rule]
    # Who holds two endorsements sees somebody who counts for both.
    good = [p for p in good if all(p.counts_on(books, rule, day) for rule in rules)] or good
    start = _own_number(endorsee) % max(1, len(good))
    turned = [*good[start:], *good[:start]]
    special = [p for p in known if p.role == role and role != "qualified"]
    return (special * 2 if role == "ended" else [*special, *turned * 2])[:2]
