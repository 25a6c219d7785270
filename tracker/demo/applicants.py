"""The demo's applicants, as rows of the CSV files that `tracker import` reads."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle

from dateutil.relativedelta import relativedelta

from tracker.demo.people import Cast, DemoApplicant, Stories
from tracker.formatting import format_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import Plan, PlannedRequirement
from tracker.rules.requirement import MONTHS_IN_YEAR

Row = dict[str, str]
FileRow = tuple[str, Row]
_DAY = timedelta(days=1)
# Training and RSC of an application took place over so many months.
_MONTHS_OF_HOURS = 21
_MOST_SESSIONS = 60
_DEGREE_TITLES = {
    "cda": "Child Development Associate",
    "associate": "Associate of Arts",
    "bachelor": "Bachelor of Social Work",
    "master": "Master of Social Work",
}


def list_applicant_rows(
    rulebooks: Rulebooks, stories: Stories, cast: Cast, today: date
) -> Iterator[FileRow]:
    """The rows of all applicants, each with its file; nothing is later than ``today``."""
    for applicant in cast.applicants:
        plan = rulebooks.application_plan(applicant.association, applicant.category, today)
        yield from _list_application(applicant, today)
        for requirement in plan.requirements:
            yield from _list_evidence(applicant, requirement, today)
        yield from _list_work(applicant, plan, today)
        yield from _list_training(stories, applicant, plan, today)
        yield from _list_rsc(stories, cast, applicant, plan, today)


def _application_key(applicant: DemoApplicant) -> Row:
    key = {"email": applicant.email, "association": applicant.association}
    return {**key, "category": applicant.category}


def _list_application(applicant: DemoApplicant, today: date) -> Iterator[FileRow]:
    person = {
        "email": applicant.email,
        "name": applicant.name,
        "highest_degree": "master" if applicant.story.share >= 1 else "bachelor",
        "provides_rsc": "no",
        "second_email": "",
    }
    yield "people.csv", person
    application = {
        **_application_key(applicant),
        "opened_on": applicant.opened_on.isoformat(),
        "submitted_on": (today - 5 * _DAY).isoformat() if applicant.story.submitted else "",
    }
    yield "applications.csv", application


def _list_evidence(
    applicant: DemoApplicant, requirement: PlannedRequirement, today: date
) -> Iterator[FileRow]:
    """What the applicant has for one requirement besides work and hours."""
    story = applicant.story
    if requirement.counts == "education" and story.share > 0:
        yield "degrees.csv", _degree(applicant, requirement, today)
    elif requirement.counts == "references":
        yield from _list_references(applicant, requirement)
    elif requirement.counts == "signed":
        yield from _list_attestations(applicant, requirement)
    elif requirement.counts == "membership" and story.member:
        membership = {
            "email": applicant.email,
            "organization": applicant.association,
            "starts_on": (applicant.opened_on - 20 * _DAY).isoformat(),
            "ends_on": (max(today, applicant.opened_on) + 150 * _DAY).isoformat(),
        }
        yield "memberships.csv", membership
    elif requirement.counts == "exam" and story.share >= 1:
        taken_on = (applicant.opened_on + 10 * _DAY).isoformat()
        yield "exams.csv", {**_application_key(applicant), "taken_on": taken_on, "passed": "yes"}


def _list_attestations(
    applicant: DemoApplicant, requirement: PlannedRequirement
) -> Iterator[FileRow]:
    # Reviewers have decided only about an application that is ready.
    if applicant.story.share < 1 or (requirement.rule.reviewed and not applicant.story.reviewed):
        return
    signed_on = (applicant.opened_on + _DAY).isoformat()
    for what in requirement.rule.signed:
        row = {**_application_key(applicant), "what": what, "signed_on": signed_on}
        yield "attestations.csv", row


def _degree(applicant: DemoApplicant, requirement: PlannedRequirement, today: date) -> Row:
    terms = requirement.rule.education
    level = terms.levels[-2 if len(terms.levels) > 1 else -1] if terms else "master"
    return {
        "email": applicant.email,
        "level": level,
        "title": _DEGREE_TITLES.get(level, level.capitalize()),
        "awarded_on": (today - relativedelta(years=7)).isoformat(),
        "transcript": "official",
    }


def _list_references(
    applicant: DemoApplicant, requirement: PlannedRequirement
) -> Iterator[FileRow]:
    terms = requirement.rule.references
    if terms is None:
        return
    for number, slot in enumerate(terms.slots):
        received = number < applicant.story.references
        if not received and applicant.story.share <= 0:
            return
        name = applicant.referees[number % len(applicant.referees)]
        answer = ("received_on", "relationship", "signed_as", "role_confirmed")
        row = {
            **_application_key(applicant),
            "referee_email": f"{name.lower().replace(' ', '.')}.{number}@example.net",
            "referee_name": name,
            "role": slot[0],
            **dict.fromkeys((*answer, "endorsed_by", "endorsed_as"), ""),
        }
        if received:
            row |= {
                "received_on": (applicant.opened_on + 20 * _DAY).isoformat(),
                "relationship": "We have worked together for three years",
                "signed_as": name,
                "role_confirmed": "yes",
            }
        if received and terms.categories:
            row |= {"endorsed_by": applicant.association, "endorsed_as": terms.categories[-1]}
        yield "references.csv", row


def _list_work(applicant: DemoApplicant, plan: Plan, today: date) -> Iterator[FileRow]:
    """One position that meets every work requirement, as far as the story goes."""
    share = applicant.story.share
    terms = [r.rule.work for r in plan.requirements if r.rule.work]
    if not terms or share <= 0:
        return
    months_required = [r.amount for r in plan.requirements if r.unit == "years"]
    months = round((max(months_required, default=24) + MONTHS_IN_YEAR) * share)
    services: set[str] = set()
    statements: set[str] = set()
    for term in terms:
        services.update(term.services)
        statements.update(term.statements)
    position = {
        "email": applicant.email,
        "title": "Family support, Bright Beginnings",
        "pay": "paid",
        "services": "; ".join(sorted(services)),
        "starts_on": (today - relativedelta(months=months)).isoformat(),
        "ends_on": "",
        "ages": next((term.ages for term in terms if term.ages), ""),
        "families": str(round(14 * share)),
        "supervised": "yes",
        "trained": "yes",
        "gives_rsc": "yes",
        "statements": "; ".join(sorted(statements)),
    }
    yield "positions.csv", position


def _list_training(
    stories: Stories, applicant: DemoApplicant, plan: Plan, today: date
) -> Iterator[FileRow]:
    share = applicant.story.share
    required = 0
    topics: dict[str, int] = {}
    for requirement in plan.requirements:
        if requirement.counts == "training" and requirement.topic:
            topics[requirement.topic] = round(requirement.amount * share)
        elif requirement.counts == "training" and not requirement.rule.besides:
            required = max(required, requirement.amount)
    left = round(required * share / 30) * 30
    day = today - relativedelta(months=_MONTHS_OF_HOURS)
    for number, length in enumerate(cycle(stories.training_minutes)):
        minutes = min(length, left)
        if minutes <= 0:
            return
        left -= minutes
        title = stories.trainings[number % len(stories.trainings)]
        about = _take_topics(topics, minutes)
        yield "entries.csv", _entry(applicant, "training", day, minutes, title, topics=about)
        day += 17 * _DAY


def _take_topics(wanted: dict[str, int], minutes: int) -> str:
    """Fill ``minutes`` with topics that are still wanted, and reduce those; the CSV cell."""
    parts = []
    for topic, left in wanted.items():
        part = min(left, minutes)
        if part > 0:
            parts.append(f"{topic}:{format_hours(part)}")
            wanted[topic] -= part
            minutes -= part
    return "; ".join(parts)


def _list_rsc(
    stories: Stories, cast: Cast, applicant: DemoApplicant, plan: Plan, today: date
) -> Iterator[FileRow]:
    required, topic = 0, None
    for requirement in plan.requirements:
        if requirement.counts == "rsc":
            required = max(required, requirement.amount)
            topic = topic or requirement.topic
    left = required * applicant.story.share
    providers = cast.find_providers(plan.provider_rule, applicant.story.provider)
    if not providers:
        return
    day = today - relativedelta(months=_MONTHS_OF_HOURS)
    for number in range(_MOST_SESSIONS):
        minutes = min(120, round(left / 30) * 30)
        if minutes <= 0:
            return
        left -= minutes
        about = f"{topic}:{format_hours(max(1, minutes * 2 // 3))}" if topic else ""
        cells = {"topics": about, "provider_email": providers[number % len(providers)].email}
        yield "entries.csv", _entry(applicant, "rsc", day, minutes, stories.rsc, **cells)
        day += 10 * _DAY


def _entry(
    applicant: DemoApplicant, activity: str, day: date, minutes: int, title: str, **cells: str
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
