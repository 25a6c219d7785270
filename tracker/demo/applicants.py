"""The demo's applicants, as rows of the files that `tracker import` reads."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle

from dateutil.relativedelta import relativedelta

from tracker.demo.people import Applicant, Cast, Stories
from tracker.formatting import format_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import Plan, PlannedRequirement

Row = dict[str, str]
Tables = dict[str, list[Row]]
_DAY = timedelta(days=1)
_MONTHS_IN_YEAR = 12
# Training and RSC of an application were over the last so many months.
_MONTHS = 21
_TITLES = {
    "cda": "Child Development Associate",
    "associate": "Associate of Arts",
    "bachelor": "Bachelor of Social Work",
    "master": "Master of Social Work",
}


def applicants_tables(rulebooks: Rulebooks, stories: Stories, cast: Cast, today: date) -> Tables:
    """The rows of every file, for all applicants; nothing is later than ``today``."""
    tables: Tables = {}
    for applicant in cast.applicants:
        plan = rulebooks.application_plan(applicant.association, applicant.category, today)
        for file, row in _rows(stories, cast, applicant, plan, today):
            tables.setdefault(file, []).append(row)
    return tables


def _rows(
    stories: Stories, cast: Cast, applicant: Applicant, plan: Plan, today: date
) -> Iterator[tuple[str, Row]]:
    story = applicant.story
    applied = {
        "email": applicant.email,
        "association": applicant.association,
        "category": applicant.category,
    }
    degree = "master" if story.share >= 1 else "bachelor"
    yield "people.csv", _person(applicant, degree)
    submitted = story.submitted and (today - 5 * _DAY).isoformat()
    yield (
        "applications.csv",
        {**applied, "opened_on": applicant.opened_on.isoformat(), "submitted_on": submitted or ""},
    )
    for requirement in plan.requirements:
        if requirement.counts == "education" and story.share > 0:
            yield "degrees.csv", _degree(applicant, requirement, today)
        if requirement.counts == "membership" and story.member:
            yield "memberships.csv", _membership(applicant, today)
        if requirement.counts == "signed":
            yield from _signed(applied, applicant, requirement)
        if requirement.counts == "exam" and story.share >= 1:
            taken_on = (applicant.opened_on + 10 * _DAY).isoformat()
            yield "exams.csv", {**applied, "taken_on": taken_on, "passed": "yes"}
        if requirement.counts == "references":
            yield from _references(applied, applicant, requirement)
    if work := _work(applicant, plan, today):
        yield "positions.csv", work
    for row in _training(stories, applicant, plan, today):
        yield "entries.csv", row
    for row in _rsc(stories, cast, applicant, plan, today):
        yield "entries.csv", row


def _person(applicant: Applicant, degree: str) -> Row:
    return {
        "email": applicant.email,
        "name": applicant.name,
        "highest_degree": degree,
        "provides_rsc": "no",
        "second_email": "",
    }


def _degree(applicant: Applicant, requirement: PlannedRequirement, today: date) -> Row:
    terms = requirement.rule.education
    level = terms.levels[-2 if len(terms.levels) > 1 else -1] if terms else "master"
    return {
        "email": applicant.email,
        "level": level,
        "title": _TITLES.get(level, level.capitalize()),
        "awarded_on": (today - relativedelta(years=7)).isoformat(),
        "transcript": "official",
    }


def _membership(applicant: Applicant, today: date) -> Row:
    return {
        "email": applicant.email,
        "organization": applicant.association,
        "starts_on": (applicant.opened_on - 20 * _DAY).isoformat(),
        "ends_on": (max(today, applicant.opened_on) + 150 * _DAY).isoformat(),
    }


def _signed(
    applied: Row, applicant: Applicant, requirement: PlannedRequirement
) -> Iterator[tuple[str, Row]]:
    # What the reviewers say is not said yet, but for an application that is ready.
    if applicant.story.share < 1 or (requirement.rule.reviewed and not applicant.story.reviewed):
        return
    for what in requirement.rule.signed:
        signed_on = (applicant.opened_on + _DAY).isoformat()
        yield "attestations.csv", {**applied, "what": what, "signed_on": signed_on}


def _references(
    applied: Row, applicant: Applicant, requirement: PlannedRequirement
) -> Iterator[tuple[str, Row]]:
    terms = requirement.rule.references
    for number, slot in enumerate(terms.slots if terms else ()):
        came = number < applicant.story.references
        if not came and applicant.story.share <= 0:
            return
        name = applicant.referees[number % len(applicant.referees)]
        endorsed = terms.categories[-1] if came and terms and terms.categories else ""
        yield (
            "references.csv",
            {
                **applied,
                "referee_email": f"{name.lower().replace(' ', '.')}.{number}@example.net",
                "referee_name": name,
                "role": slot[0],
                "received_on": (applicant.opened_on + 20 * _DAY).isoformat() if came else "",
                "relationship": "We have worked together for three years" if came else "",
                "signed_as": name if came else "",
                "role_confirmed": "yes" if came else "",
                "endorsed_by": applied["association"] if endorsed else "",
                "endorsed_as": endorsed,
            },
        )


def _work(applicant: Applicant, plan: Plan, today: date) -> Row | None:
    """One position that meets whatever is asked of work, as long as the story goes."""
    terms = [requirement.rule.work for requirement in plan.requirements if requirement.rule.work]
    if not terms or applicant.story.share <= 0:
        return None
    years = max(
        [a.amount / _MONTHS_IN_YEAR for a in plan.requirements if a.unit == "years"], default=2
    )
    months = round((years + 1) * applicant.story.share * _MONTHS_IN_YEAR)
    return {
        "email": applicant.email,
        "title": "Family support, Bright Beginnings",
        "pay": "paid",
        "services": "; ".join(sorted({s for t in terms for s in t.services})),
        "starts_on": (today - relativedelta(months=months)).isoformat(),
        "ends_on": "",
        "ages": next((t.ages for t in terms if t.ages), ""),
        "families": str(round(14 * applicant.story.share)),
        "supervised": "yes",
        "trained": "yes",
        "gives_rsc": "yes",
        "statements": "; ".join(sorted({key for t in terms for key in t.statements})),
    }


def _training(stories: Stories, applicant: Applicant, plan: Plan, today: date) -> Iterator[Row]:
    asked = [a for a in plan.requirements if a.counts == "training"]
    whole = max((a.amount for a in asked if not a.topic and not a.rule.besides), default=0)
    left = round(whole * applicant.story.share / 30) * 30
    topics = {a.topic: round(a.amount * applicant.story.share) for a in asked if a.topic}
    day = today - relativedelta(months=_MONTHS)
    for number, length in enumerate(cycle(stories.training_minutes)):
        minutes = min(length, left)
        if minutes <= 0:
            return
        left -= minutes
        about, room = [], minutes
        for topic, wanted in topics.items():
            part = min(wanted, room)
            if part > 0:
                about.append(f"{topic}:{format_hours(part)}")
                topics[topic] -= part
                room -= part
        title = stories.trainings[number % len(stories.trainings)]
        yield _entry(applicant, "training", day, minutes, title, topics="; ".join(about))
        day += 17 * _DAY


def _rsc(
    stories: Stories, cast: Cast, applicant: Applicant, plan: Plan, today: date
) -> Iterator[Row]:
    asked = [a for a in plan.requirements if a.counts == "rsc"]
    left = max((a.amount for a in asked), default=0) * applicant.story.share
    topic = next((a.topic for a in asked if a.topic), None)
    good = [
        p
        for p in cast.providers
        if p.rule == plan.provider_rule and p.role == applicant.story.provider
    ]
    first = today - relativedelta(months=_MONTHS)
    for number in range(60):
        minutes = min(120, round(left / 30) * 30)
        if minutes <= 0 or not good:
            return
        left -= minutes
        about = f"{topic}:{format_hours(max(1, minutes * 2 // 3))}" if topic else ""
        seen = good[number % len(good)].email
        day = first + number * 10 * _DAY
        yield _entry(applicant, "rsc", day, minutes, stories.rsc, provider_email=seen, topics=about)


def _entry(
    applicant: Applicant, activity: str, day: date, minutes: int, title: str, **cells: str
) -> Row:
    return {
        "email": applicant.email,
        "activity": activity,
        "date": day.isoformat(),
        "hours": format_hours(minutes),
        "title": title,
        **dict.fromkeys(("topics", "provider_email", "format"), ""),
        **cells,
    }
