"""The demo's applicants, as rows of the CSV files that `tracker import` reads."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import cycle
from typing import Any

from dateutil.relativedelta import relativedelta

from tracker.demo.people import Cast, DemoApplicant
from tracker.rules.plan import Plan, PlannedRequirement
from tracker.rules.requirement import MONTHS_IN_YEAR

# Values by column, as `importer.csv_row.format_cell` writes them into cells.
Row = dict[str, Any]
# A row with its kind of file.
FileRow = tuple[str, Row]
_DAY = timedelta(days=1)
_HALF_AN_HOUR = 30
# Training and RSC of an application took place over so many months.
_MONTHS_OF_HOURS = relativedelta(months=21)
_MOST_SESSIONS = 60
_RSC_MINUTES = (120,)
_DEGREE_TITLES = {
    "cda": "Child Development Associate",
    "associate": "Associate of Arts",
    "bachelor": "Bachelor of Social Work",
    "master": "Master of Social Work",
}


def list_applicant_rows(cast: Cast) -> Iterator[FileRow]:
    """The rows of all applicants; nothing is later than today."""
    for applicant in cast.applicants:
        story = applicant.story
        degree = "master" if story.share >= 1 else "bachelor"
        person = {"email": applicant.email, "name": applicant.name, "highest_degree": degree}
        yield "people", person
        submitted_on = cast.today - 5 * _DAY if story.submitted else None
        dates = {"opened_on": applicant.opened_on, "submitted_on": submitted_on}
        yield "applications", {**applicant.key, **dates}
        plan = cast.rulebooks.application_plan(
            applicant.association, applicant.category, cast.today
        )
        for requirement in plan.requirements:
            yield from _list_evidence(cast, applicant, requirement)
        yield from _list_work(cast, applicant, plan)
        yield from _list_training(cast, applicant, plan)
        yield from _list_rsc(cast, applicant, plan)


def _list_evidence(
    cast: Cast, applicant: DemoApplicant, requirement: PlannedRequirement
) -> Iterator[FileRow]:
    """What the applicant has for one requirement besides work and hours."""
    story, opened_on = applicant.story, applicant.opened_on
    if requirement.counts == "education" and story.share > 0:
        terms = requirement.rule.education
        # The highest level but one, or the only one.
        level = terms.levels[-2:][0] if terms else "master"
        degree = {
            "email": applicant.email,
            "level": level,
            "title": _DEGREE_TITLES.get(level, level.capitalize()),
            "awarded_on": cast.today - relativedelta(years=7),
            "transcript": "official",
        }
        yield "degrees", degree
    elif requirement.counts == "references":
        yield from _list_references(applicant, requirement)
    elif requirement.counts == "signed":
        yield from _list_attestations(applicant, requirement)
    elif requirement.counts == "membership" and story.member:
        membership = {
            "email": applicant.email,
            "organization": applicant.association,
            "starts_on": opened_on - 20 * _DAY,
            "ends_on": max(cast.today, opened_on) + 150 * _DAY,
        }
        yield "memberships", membership
    elif requirement.counts == "exam" and story.share >= 1:
        yield "exams", {**applicant.key, "taken_on": opened_on + 10 * _DAY, "passed": True}


def _list_attestations(
    applicant: DemoApplicant, requirement: PlannedRequirement
) -> Iterator[FileRow]:
    story, signed_on = applicant.story, applicant.opened_on + _DAY
    # Reviewers have decided only about an application that is ready.
    if story.share >= 1 and (story.reviewed or not requirement.rule.reviewed):
        for what in requirement.rule.signed:
            yield "attestations", {**applicant.key, "what": what, "signed_on": signed_on}


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
        row: Row = {
            **applicant.key,
            "referee_email": f"{name.lower().replace(' ', '.')}.{number}@example.net",
            "referee_name": name,
            "role": slot[0],
        }
        if received:
            row |= {
                "received_on": applicant.opened_on + 20 * _DAY,
                "relationship": "We have worked together for three years",
                "signed_as": name,
                "role_confirmed": True,
            }
        if received and terms.categories:
            row |= {"endorsed_by": applicant.association, "endorsed_as": terms.categories[-1]}
        yield "references", row


def _list_work(cast: Cast, applicant: DemoApplicant, plan: Plan) -> Iterator[FileRow]:
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
        "starts_on": cast.today - relativedelta(months=months),
        "ages": next((term.ages for term in terms if term.ages), None),
        "families": round(14 * share),
        "supervised": True,
        "trained": True,
        "gives_rsc": True,
        "statements": "; ".join(sorted(statements)),
    }
    yield "positions", position


def _list_training(cast: Cast, applicant: DemoApplicant, plan: Plan) -> Iterator[FileRow]:
    """Trainings until all topics and hours are there, as far as the story goes."""
    share, stories = applicant.story.share, cast.stories
    required = 0
    topics: dict[str, int] = {}
    for requirement in plan.requirements:
        if requirement.counts == "training" and requirement.topic:
            topics[requirement.topic] = round(requirement.amount * share)
        elif requirement.counts == "training" and not requirement.rule.besides:
            required = max(required, requirement.amount)
    first_day = cast.today - _MONTHS_OF_HOURS
    for number, minutes in enumerate(split_minutes(required * share, stories.training_minutes)):
        about, left = [], minutes
        for topic, wanted in topics.items():
            part = min(wanted, left)
            if part > 0:
                about.append((topic, part))
                topics[topic] -= part
                left -= part
        entry = {
            "email": applicant.email,
            "activity": "training",
            "date": first_day + 17 * number * _DAY,
            "hours": minutes,
            "title": stories.trainings[number % len(stories.trainings)],
            "topics": tuple(about),
        }
        yield "entries", entry


def _list_rsc(cast: Cast, applicant: DemoApplicant, plan: Plan) -> Iterator[FileRow]:
    required, topic = 0, None
    for requirement in plan.requirements:
        if requirement.counts == "rsc":
            required = max(required, requirement.amount)
            topic = topic or requirement.topic
    providers = cast.find_providers(plan.provider_rule, applicant.story.provider)
    if not providers:
        return
    first_day = cast.today - _MONTHS_OF_HOURS
    lengths = split_minutes(required * applicant.story.share, _RSC_MINUTES)
    for number, minutes in enumerate(lengths[:_MOST_SESSIONS]):
        entry = {
            "email": applicant.email,
            "activity": "rsc",
            "date": first_day + 10 * number * _DAY,
            "hours": minutes,
            "title": cast.stories.rsc,
            "topics": ((topic, max(1, minutes * 2 // 3)),) if topic else (),
            "provider_email": providers[number % len(providers)].email,
        }
        yield "entries", entry


def split_minutes(minutes: float, usual_lengths: Sequence[int]) -> list[int]:
    """Session lengths in minutes that add up to ``minutes``, rounded to half hours."""
    left = round(minutes / _HALF_AN_HOUR) * _HALF_AN_HOUR
    lengths: list[int] = []
    for length in cycle(usual_lengths):
        if left <= 0:
            break
        lengths.append(min(length, left))
        left -= length
    return lengths
