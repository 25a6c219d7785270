"""The demo's roster as the CSV files that `tracker import` reads."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.demo.applicants import FileRow, Row, list_applicant_rows, split_minutes
from tracker.demo.people import PROVIDER_DEGREE, Cast, DemoEndorsee, DemoProvider
from tracker.demo.stories import Role
from tracker.importer.csv_row import format_cell
from tracker.importer.schemas import SCHEMAS
from tracker.rules.cycles import Cycle
from tracker.rules.plan import RenewalPlan
from tracker.spreadsheet_csv import csv_lines

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
# Nobody logs more than this in one day, however few days of the cycle have passed.
_MOST_MINUTES_A_DAY = 9 * 60
# A cycle that ended more recently than this may still be extended.
_RECENT = timedelta(days=45)
_EXTENSION = timedelta(days=60)
# Recent enough for the latest digest to mention it.
_UNCONFIRMED_SESSION_AGO = timedelta(days=9)
_SESSION_MINUTES = 60


def write_roster(folder: Path, cast: Cast) -> list[Path]:
    """Write the files into ``folder``. No entry is later than today."""
    tables: defaultdict[str, list[Row]] = defaultdict(list)
    everyone = (_list_provider_rows(cast), _list_endorsee_rows(cast), list_applicant_rows(cast))
    for kind, row in chain(*everyone):
        tables[kind].append(row)
    paths = []
    for kind, rows in tables.items():
        columns = SCHEMAS[kind].columns()
        lines = [[format_cell(column, row.get(column)) for column in columns] for row in rows]
        paths.append(folder / f"{kind}.csv")
        paths[-1].write_bytes(b"".join(csv_lines(columns, lines)))
    return paths


def _list_provider_rows(cast: Cast) -> Iterator[FileRow]:
    """The providers who are not endorsees with a renewal too."""
    endorsees = {endorsee.email for endorsee in cast.endorsees}
    for provider in cast.providers:
        if provider.email in endorsees:
            continue
        person = {"email": provider.email, "name": provider.name, "provides_rsc": True}
        yield "people", {**person, "highest_degree": PROVIDER_DEGREE}
        accepted = {
            "email": provider.email,
            "association": provider.association,
            "category": provider.category,
            "starts_on": provider.starts_on,
            "ends_on": provider.ends_on,
        }
        yield "endorsements" if provider.category else "vetting", accepted


def _list_endorsee_rows(cast: Cast) -> Iterator[FileRow]:
    for endorsee in cast.endorsees:
        email = endorsee.email
        person = {
            "email": email,
            "name": endorsee.name,
            "highest_degree": "bachelor",
            "provides_rsc": endorsee.provides_rsc,
        }
        if endorsee.has_second_email:
            person["second_email"] = email.replace(".org", ".com")
        yield "people", person
        for association, category, starts_on in endorsee.endorsements:
            held = {"email": email, "association": association, "category": category}
            yield "endorsements", {**held, "starts_on": starts_on}
        yield from _list_memberships(cast, endorsee)
        plan = cast.rulebooks.plan(*endorsee.endorsements[0], cast.today)
        if plan and plan.cycle:
            yield from _list_decisions(cast, endorsee, plan, plan.cycle)
            yield from _DemoLog(cast, endorsee).list_entries(plan, plan.cycle)


def _list_memberships(cast: Cast, endorsee: DemoEndorsee) -> Iterator[FileRow]:
    """Some years, paid by the year. Each person's year ends on a different day."""
    if endorsee.story.membership == "none":
        return
    days_left = {
        "lapsed": -16,
        "ends soon": 20,
        "paid": 45 + sum(map(ord, endorsee.email)) * 7 % 320,
    }
    renewal_day = cast.today + (days_left[endorsee.story.membership] + 1) * _DAY
    associations = {association for association, _, _ in endorsee.endorsements}
    cycles = cast.rulebooks.associations[endorsee.endorsements[0][0]].cycles
    # Through the cycle before the current one.
    years = 2 + max((scheme.years for scheme in cycles), default=1)
    for organization in sorted(associations & set(cast.rulebooks.organizations)):
        for years_ago in reversed(range(years)):
            row = {
                "email": endorsee.email,
                "organization": organization,
                "starts_on": renewal_day - relativedelta(years=years_ago + 1),
                "ends_on": renewal_day - relativedelta(years=years_ago) - _DAY,
            }
            yield "memberships", row


def _list_decisions(
    cast: Cast, endorsee: DemoEndorsee, plan: RenewalPlan, cycle: Cycle
) -> Iterator[FileRow]:
    """Leave, a waiver of RSC hours, or an extension: of the previous cycle if it ended recently."""
    association, category, starts_on = endorsee.endorsements[0]
    renewal = {
        "email": endorsee.email,
        "association": association,
        "category": category,
        "endorsed_on": starts_on,
        "cycle_starts_on": cycle.starts_on,
    }
    if endorsee.story.absence:
        leave = {
            "starts_on": max(starts_on, cast.today - 60 * _DAY),
            "ends_on": cycle.due_on + 60 * _DAY,
            "reason": cast.stories.leave_reason,
            "kind": endorsee.story.absence,
        }
        yield "leave", {**renewal, **leave}
    if endorsee.story.waived:
        rsc = [r.id for r in plan.requirements if r.counts == "rsc"]
        waiver = {
            "requirement": rsc[0] if rsc else plan.requirements[0].id,
            "reason": cast.stories.waiver_reason,
        }
        yield "waivers", {**renewal, **waiver}
    if endorsee.story.extended:
        previous = cast.rulebooks.plan(*endorsee.endorsements[0], cycle.starts_on - _DAY)
        if previous and previous.cycle and cast.today <= previous.cycle.due_on + _RECENT:
            cycle = previous.cycle
        extension = {
            "cycle_starts_on": cycle.starts_on,
            "extended_due_on": cycle.due_on + _EXTENSION,
            "reason": cast.stories.extension_reason,
        }
        yield "extensions", {**renewal, **extension}


class _LoggedCycle(NamedTuple):
    """What is logged in one cycle: ``share`` of what is required, with which providers."""

    plan: RenewalPlan
    share: float
    last_day: date
    role: Role
    topics: bool

    def minutes(self, activity: str) -> float:
        """The minutes of an activity, whatever their topics."""
        for requirement in self.plan.requirements:
            if requirement.counts == activity and not requirement.is_part:
                return requirement.amount * self.share
        return 0.0


class _DemoLog(NamedTuple):
    """What one endorsee logs for the first endorsement."""

    cast: Cast
    endorsee: DemoEndorsee

    def list_entries(self, plan: RenewalPlan, current: Cycle) -> Iterator[FileRow]:
        """The hours of the previous cycle and of the current one."""
        today, story, variation = self.cast.today, self.endorsee.story, self.endorsee.variation
        previous = self.cast.rulebooks.plan(
            *self.endorsee.endorsements[0], current.starts_on - _DAY
        )
        if previous and previous.cycle and previous.cycle.share:
            recent = today <= previous.cycle.due_on + _RECENT
            share = story.last_cycle if recent or not story.extended else 1.0
            # A provider who doesn't count now did count then.
            role: Role = "ending" if story.provider == "ending" else "qualified"
            topics = story.topics or not recent
            logged = _LoggedCycle(previous, share, previous.cycle.ends_on, role, topics)
            yield from self._list_cycle(logged, previous.cycle)
        passed = (today - current.starts_on).days + 1
        if story.share == "pace":
            whole = (current.ends_on - current.starts_on).days + 1
            share = min(passed / whole * (1.04 + variation / 2000), 1.0)
            last_day = today
        else:
            # People who have logged everything did so some time ago.
            share = story.share
            last_day = today - int(passed * variation / 600) * _DAY
        logged = _LoggedCycle(plan, share, last_day, story.provider, story.topics)
        yield from self._list_cycle(logged, current)
        if story.unconfirmed:
            yield from self._list_unconfirmed(logged)

    def _list_unconfirmed(self, logged: _LoggedCycle) -> Iterator[FileRow]:
        """Sessions with somebody new, a known provider by initial, and a name that is declined."""
        stories = self.cast.stories
        is_full = self.endorsee.variation % 2
        first, _, last = self._find_providers(logged, logged.last_day)[0].name.partition(" ")
        names = (
            stories.new_provider_spelling if is_full else stories.new_provider,
            f"{first[0]}. {last}",
            stories.declined_provider,
        )
        for number, name in enumerate(names):
            day = self.cast.today - _UNCONFIRMED_SESSION_AGO - number * _WEEK
            session = self._entry("rsc", day, _SESSION_MINUTES)
            provider = {"provider_name": name, "format": "individual"}
            yield "entries", {**session, "title": stories.rsc, **provider}

    def _list_cycle(self, logged: _LoggedCycle, cycle: Cycle) -> Iterator[FileRow]:
        """Sessions from the cycle's or the endorsement's first day on."""
        first_day = max(cycle.starts_on, self.endorsee.endorsements[0][2])
        days = range(max(0, (logged.last_day - first_day).days + 1))
        minutes_left = {first_day + n * _DAY: _MOST_MINUTES_A_DAY for n in days}
        yield from self._list_training(logged, minutes_left)
        yield from self._list_rsc(logged, minutes_left)

    def _list_training(
        self, logged: _LoggedCycle, minutes_left: dict[date, int]
    ) -> Iterator[FileRow]:
        """The first training is about a topic that is required."""
        stories = self.cast.stories
        about = next((r for r in logged.plan.requirements if r.topic and logged.topics), None)
        lengths = split_minutes(logged.minutes("training"), stories.training_minutes)
        for number, (day, length) in enumerate(self._spread(minutes_left, lengths)):
            entry = self._entry("training", day, length)
            entry["title"] = stories.trainings[number % len(stories.trainings)]
            if number == 0 and about is not None:
                entry["topics"] = ((about.topic, min(about.amount, length)),)
            yield "entries", entry

    def _list_rsc(self, logged: _LoggedCycle, minutes_left: dict[date, int]) -> Iterator[FileRow]:
        stories = self.cast.stories
        lengths = split_minutes(logged.minutes("rsc"), stories.rsc_minutes)
        for number, (day, length) in enumerate(self._spread(minutes_left, lengths)):
            provider = self._find_providers(logged, day)[number % 2]
            entry = self._entry("rsc", day, length)
            entry |= {"title": stories.rsc, "provider_email": provider.email}
            entry["format"] = "individual" if length <= stories.rsc_minutes[0] else "group"
            yield "entries", entry

    def _spread(
        self, minutes_left: dict[date, int], lengths: list[int]
    ) -> Iterator[tuple[date, int]]:
        """Each length with a day that has room for it, spread evenly."""
        days = list(minutes_left)
        for number, minutes in enumerate(lengths):
            start = (2 * number + 1) * len(days) // (2 * len(lengths))
            start = (start + self.endorsee.variation % 24) % len(days)
            for day in days[start:] + days[:start]:
                if minutes_left[day] >= minutes:
                    minutes_left[day] -= minutes
                    yield day, minutes
                    break

    def _find_providers(self, logged: _LoggedCycle, day: date) -> list[DemoProvider]:
        """The two providers whom the endorsee sees in turn; it may be the same one twice."""
        qualified = []
        for provider in self.cast.find_providers(logged.plan.provider_rule, "qualified"):
            if provider.counts_on(self.cast.rulebooks, provider.rule, day):
                qualified.append(provider)
        # An endorsee with two endorsements sees a provider who counts for both.
        qualified = [p for p in qualified if self._counts_elsewhere(p, day)] or qualified
        start = self.endorsee.variation % max(1, len(qualified))
        turned = [*qualified[start:], *qualified[:start]] * 2
        if logged.role == "qualified":
            return turned[:2]
        special = self.cast.find_providers(logged.plan.provider_rule, logged.role)
        if logged.role == "ended":
            return (special * 2)[:2]
        return [*special, *turned][:2]

    def _counts_elsewhere(self, provider: DemoProvider, day: date) -> bool:
        """Whether a session counts for the endorsee's other endorsements."""
        for held in self.endorsee.endorsements[1:]:
            plan = self.cast.rulebooks.plan(*held, day)
            rule = plan.provider_rule if plan else None
            if rule and not provider.counts_on(self.cast.rulebooks, rule, day):
                return False
        return True

    def _entry(self, activity: str, day: date, minutes: int) -> Row:
        return {
            "email": self.endorsee.email,
            "activity": activity,
            "date": day,
            "hours": minutes,
        }
