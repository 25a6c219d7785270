"""The demo's roster as the CSV files that `tracker import` reads."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path

from dateutil.relativedelta import relativedelta

from tracker.demo.applicants import list_applicant_rows
from tracker.demo.people import Cast, DemoEndorsee, DemoProvider, Role, Stories
from tracker.formatting import format_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.plan import PlannedRequirement, RenewalPlan

Row = dict[str, str]
_DAY = timedelta(days=1)
# Nobody logs more than this in one day, however few days of the cycle have passed.
_MOST_MINUTES_A_DAY = 9 * 60
_HALF_AN_HOUR = 30
# A cycle that ended more recently than this may still be extended.
_RECENT = timedelta(days=45)


def is_recent(ended: Cycle, today: date) -> bool:
    """Whether a cycle ended so recently that it may still be extended."""
    return today <= ended.due_on + _RECENT


def write_roster(
    folder: Path, rulebooks: Rulebooks, stories: Stories, cast: Cast, today: date
) -> list[Path]:
    """Write the files into ``folder``. No entry is later than ``today``."""
    vetted = [provider for provider in cast.providers if provider.category is None]
    tables: dict[str, list[Row]] = {
        "people.csv": _list_people(cast),
        "endorsements.csv": _list_endorsements(cast),
        "vetting.csv": [_dated_row(provider) for provider in vetted],
        "memberships.csv": [],
        "entries.csv": [],
        "leave.csv": [],
    }
    for endorsee in cast.endorsees:
        tables["memberships.csv"] += _list_memberships(rulebooks, endorsee, today)
        tables["entries.csv"] += _list_entries(rulebooks, stories, cast, endorsee, today)
        tables["leave.csv"] += _list_leave(rulebooks, stories, endorsee, today)
    for file, row in list_applicant_rows(rulebooks, stories, cast, today):
        tables.setdefault(file, []).append(row)
    paths = []
    for file, rows in tables.items():
        if rows:
            paths.append(folder / file)
            with paths[-1].open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    return paths


def _providers_only(cast: Cast) -> list[DemoProvider]:
    """The providers who are not endorsees too."""
    endorsees = {endorsee.email for endorsee in cast.endorsees}
    return [provider for provider in cast.providers if provider.email not in endorsees]


def _list_people(cast: Cast) -> list[Row]:
    rows = []
    for provider in _providers_only(cast):
        row = {"email": provider.email, "name": provider.name, "highest_degree": provider.degree}
        rows.append({**row, "provides_rsc": "yes", "second_email": ""})
    for endorsee in cast.endorsees:
        row = {"email": endorsee.email, "name": endorsee.name, "highest_degree": "bachelor"}
        row["provides_rsc"] = "yes" if endorsee.provides_rsc else "no"
        row["second_email"] = ""
        if endorsee.has_second_email:
            row["second_email"] = endorsee.email.replace(".org", ".com")
        rows.append(row)
    return rows


def _list_endorsements(cast: Cast) -> list[Row]:
    rows = []
    for provider in _providers_only(cast):
        if provider.category is not None:
            rows.append({**_dated_row(provider), "category": provider.category})
    for endorsee in cast.endorsees:
        for association, category, starts_on in endorsee.endorsements:
            row = {"email": endorsee.email, "association": association, "category": category}
            rows.append({**row, "starts_on": starts_on.isoformat(), "ends_on": ""})
    return rows


def _dated_row(provider: DemoProvider) -> Row:
    return {
        "email": provider.email,
        "association": provider.association,
        "starts_on": provider.starts_on.isoformat(),
        "ends_on": provider.ends_on.isoformat() if provider.ends_on else "",
    }


def _list_memberships(rulebooks: Rulebooks, endorsee: DemoEndorsee, today: date) -> list[Row]:
    """Three years, paid by the year. Each person's year ends on a different day."""
    days_left = {
        "lapsed": -16,
        "ends soon": 20,
        "paid": 45 + sum(map(ord, endorsee.email)) * 7 % 320,
    }
    renewal_day = today + (days_left[endorsee.story.membership] + 1) * _DAY
    associations = {association for association, _, _ in endorsee.endorsements}
    rows = []
    for organization in sorted(associations & set(rulebooks.organizations)):
        for years_ago in (2, 1, 0):
            starts_on = renewal_day - relativedelta(years=years_ago + 1)
            ends_on = renewal_day - relativedelta(years=years_ago) - _DAY
            row = {"email": endorsee.email, "organization": organization}
            row |= {"starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat()}
            rows.append(row)
    return rows


def _list_leave(
    rulebooks: Rulebooks, stories: Stories, endorsee: DemoEndorsee, today: date
) -> list[Row]:
    association, category, starts_on = endorsee.endorsements[0]
    plan = rulebooks.plan(association, category, starts_on, today)
    if not endorsee.story.leave or plan is None or plan.cycle is None:
        return []
    return [
        {
            "email": endorsee.email,
            "association": association,
            "category": category,
            "starts_on": max(starts_on, today - 60 * _DAY).isoformat(),
            "ends_on": (plan.cycle.due_on + 60 * _DAY).isoformat(),
            "reason": stories.leave_reason,
        }
    ]


def _list_entries(
    rulebooks: Rulebooks, stories: Stories, cast: Cast, endorsee: DemoEndorsee, today: date
) -> Iterator[Row]:
    """The hours of the previous cycle and of the current one, for the first endorsement."""
    story = endorsee.story
    held = endorsee.endorsements[0]
    current = rulebooks.plan(*held, today)
    if current is None or current.cycle is None:
        return
    log = _DemoLog(rulebooks, stories, cast, endorsee)
    previous = rulebooks.plan(*held, current.cycle.starts_on - _DAY)
    if previous and previous.cycle and previous.cycle.share:
        yield from log.list_previous_hours(previous, previous.cycle, today)
    passed = (today - current.cycle.starts_on).days + 1
    if story.share == "pace":
        whole = (current.cycle.ends_on - current.cycle.starts_on).days + 1
        share = min(passed / whole * (1.04 + log.variation / 2000), 1.0)
        last_day = today
    else:
        # People who have logged everything did so some time ago.
        share = story.share
        last_day = today - int(passed * log.variation / 600) * _DAY
    yield from log.list_hours(current, share, last_day, story.provider, topics=story.topics)


class _DemoLog:
    """What one endorsee logs."""

    def __init__(
        self, rulebooks: Rulebooks, stories: Stories, cast: Cast, endorsee: DemoEndorsee
    ) -> None:
        self._rulebooks = rulebooks
        self._stories = stories
        self._cast = cast
        self._endorsee = endorsee
        # From 0 to 96, so that not everyone does the same on the same days.
        self.variation = int.from_bytes(endorsee.email.encode()) % 97

    def list_previous_hours(self, plan: RenewalPlan, ended: Cycle, today: date) -> Iterator[Row]:
        """The sessions of the previous cycle."""
        story = self._endorsee.story
        recent = is_recent(ended, today)
        share = story.last_cycle if recent or not story.extended else 1.0
        # A provider who doesn't count now did count then.
        role: Role = "ending" if story.provider == "ending" else "qualified"
        topics = story.topics or not recent
        yield from self.list_hours(plan, share, ended.ends_on, role, topics=topics)

    def list_hours(
        self, plan: RenewalPlan, share: float, last_day: date, role: Role, *, topics: bool
    ) -> Iterator[Row]:
        """Sessions from the cycle's or the endorsement's first day through ``last_day``."""
        started = plan.cycle.starts_on if plan.cycle else last_day
        first_day = max(started, self._endorsee.endorsements[0][2])
        days = [first_day + n * _DAY for n in range(max(0, (last_day - first_day).days + 1))]
        minutes_left = dict.fromkeys(days, _MOST_MINUTES_A_DAY)
        topic = next((r for r in plan.requirements if r.topic and topics), None)
        whole_hours = {r.counts: r.amount * share for r in plan.requirements if r.topic is None}
        if "training" in whole_hours:
            yield from self._list_training(minutes_left, whole_hours["training"], topic)
        if "rsc" in whole_hours:
            yield from self._list_rsc(minutes_left, whole_hours["rsc"], plan, role)

    def _list_training(
        self, minutes_left: dict[date, int], minutes: float, topic: PlannedRequirement | None
    ) -> Iterator[Row]:
        """The first training is about ``topic``."""
        lengths = _split(minutes, self._stories.training_minutes)
        for number, (day, length) in enumerate(self._spread(minutes_left, lengths)):
            about = ""
            if number == 0 and topic is not None:
                about = f"{topic.topic}:{format_hours(min(topic.amount, length))}"
            title = self._stories.trainings[number % len(self._stories.trainings)]
            yield self._row("training", day, length, title=title, topics=about)

    def _list_rsc(
        self, minutes_left: dict[date, int], minutes: float, plan: RenewalPlan, role: Role
    ) -> Iterator[Row]:
        lengths = _split(minutes, self._stories.rsc_minutes)
        for number, (day, length) in enumerate(self._spread(minutes_left, lengths)):
            provider = self._find_providers(plan, role, day)[number % 2]
            is_short = length <= self._stories.rsc_minutes[0]
            cells = {"title": self._stories.rsc, "provider_email": provider.email}
            cells["format"] = "individual" if is_short else "group"
            yield self._row("rsc", day, length, **cells)

    def _spread(
        self, minutes_left: dict[date, int], lengths: list[int]
    ) -> Iterator[tuple[date, int]]:
        """Each length with a day that has room for it, spread evenly."""
        days = list(minutes_left)
        for number, minutes in enumerate(lengths):
            start = (2 * number + 1) * len(days) // (2 * len(lengths)) + self.variation % 24
            start %= len(days)
            for day in days[start:] + days[:start]:
                if minutes_left[day] >= minutes:
                    minutes_left[day] -= minutes
                    yield day, minutes
                    break

    def _find_providers(self, plan: RenewalPlan, role: Role, day: date) -> list[DemoProvider]:
        """The two providers whom the endorsee sees in turn; it may be the same one twice."""
        qualified = []
        for provider in self._cast.find_providers(plan.provider_rule, "qualified"):
            if provider.counts_on(self._rulebooks, provider.rule, day):
                qualified.append(provider)
        # An endorsee with two endorsements sees a provider who counts for both.
        qualified = [p for p in qualified if self._counts_elsewhere(p, day)] or qualified
        start = self.variation % max(1, len(qualified))
        turned = [*qualified[start:], *qualified[:start]] * 2
        if role == "qualified":
            return turned[:2]
        special = self._cast.find_providers(plan.provider_rule, role)
        if role == "ended":
            return (special * 2)[:2]
        return [*special, *turned][:2]

    def _counts_elsewhere(self, provider: DemoProvider, day: date) -> bool:
        """Whether a session counts for the endorsee's other endorsements."""
        for held in self._endorsee.endorsements[1:]:
            plan = self._rulebooks.plan(*held, day)
            rule = plan.provider_rule if plan else None
            if rule and not provider.counts_on(self._rulebooks, rule, day):
                return False
        return True

    def _row(self, activity: str, day: date, minutes: int, **cells: str) -> Row:
        return {
            "email": self._endorsee.email,
            "activity": activity,
            "date": day.isoformat(),
            "hours": format_hours(minutes),
            **dict.fromkeys(("title", "topics", "provider_email", "format"), ""),
            **cells,
        }


def _split(minutes: float, usual_lengths: Sequence[int]) -> list[int]:
    """Session lengths in minutes that add up to ``minutes``, rounded to half hours."""
    left = round(minutes / _HALF_AN_HOUR) * _HALF_AN_HOUR
    lengths: list[int] = []
    for length in cycle(usual_lengths):
        if left <= 0:
            break
        lengths.append(min(length, left))
        left -= length
    return lengths
