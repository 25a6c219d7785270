"""Fills the demo's database: the roster, the weeks before today, and what no CSV file can hold."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from tracker.clock import instant_of, local_day
from tracker.db.audit import Change, record_changes
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Renewal, Waiver
from tracker.demo.people import Cast, DemoApplicant, DemoEndorsee, Stories, create_cast
from tracker.demo.roster import is_recent, write_roster
from tracker.importer.apply import import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.vocabulary import vocabulary_of
from tracker.jobs.digest import run_digest
from tracker.jobs.schedule import Job, find_due
from tracker.notifications.context import JobContext
from tracker.notifications.group_session_mail import notify_members
from tracker.rulebooks import Rulebooks
from tracker.services.context import Actor, ServiceContext
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import evaluate_people
from tracker.services.group_confirmations import confirm_group_session, dispute_group_session
from tracker.services.group_sessions import (
    GroupSessionInput,
    Invitation,
    create_group_session,
    list_supervisees,
)
from tracker.services.run_ledger import RunKey, claim_run, finish_run
from tracker.settings import Coordinator, Settings
from tracker.web.dependencies import DemoLogin

_ACTOR = "tracker demo"
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS_OF_HISTORY = 4
_EXTENSION = timedelta(days=60)
# Recent enough for the latest digest to mention it.
_UNCONFIRMED_SESSION_AGO = timedelta(days=9)
_GROUP_SESSION_AGO = timedelta(days=2)
_GROUP_MINUTES, _SESSION_MINUTES = 90, 60
_GROUP_SIZE = 5


class Address(NamedTuple):
    """Where the demo's pages and its mail server listen."""

    host: str
    web_port: int
    mail_port: int

    @property
    def url(self) -> str:
        """The address of the pages."""
        return f"http://{self.host}:{self.web_port}"


def demo_settings(
    settings: Settings, rulebooks: Rulebooks, stories: Stories, address: Address
) -> Settings:
    """The settings in force, with the demo's addresses and coordinators."""
    coordinators = []
    for name, association in zip(stories.coordinators.names, rulebooks.associations, strict=False):
        email = f"{name.lower().replace(' ', '.')}@example.org"
        coordinators.append(Coordinator(email=email, name=name, association=association))
    web = settings.web.model_copy(update={"host": address.host, "port": address.web_port})
    return settings.model_copy(
        update={
            "base_url": address.url,
            "smtp_url": SecretStr(f"smtp://{address.host}:{address.mail_port}?tls=none"),
            "coordinators": tuple(coordinators),
            "judge_renewals_due_from": {},
            "web": web,
        }
    )


def fill(
    context: JobContext,
    engine: Engine,
    stories: Stories,
    folder: Path,
    *,
    today: date,
    now: datetime,
) -> Cast:
    """Write the roster into ``folder``, import it, and live through the weeks before ``now``."""
    rulebooks = context.rulebooks
    cast = create_cast(rulebooks, stories, today)
    files = write_roster(folder, rulebooks, stories, cast, today)
    import_paths(engine, files, ImportContext(vocabulary_of(rulebooks), today, _ACTOR, now))
    _live_through(context, now)
    with context.transaction() as session:
        changed = _add_details(session, rulebooks, stories, cast, now)
        evaluate_people(session, rulebooks, changed, now)
        shown = {login.email for login in list_logins(context.settings, rulebooks, cast)}
        cast.group_provider = _add_group_session(context, session, stories, cast, now, shown)
    return cast


def list_logins(settings: Settings, rulebooks: Rulebooks, cast: Cast) -> Sequence[DemoLogin]:
    """Whom the demo offers to sign in as.

    Coordinators, the provider who logged a group session, then one person for each story.
    """
    logins = []
    for coordinator in settings.coordinators:
        role = f"coordinator of {coordinator.association}"
        logins.append(DemoLogin(coordinator.email, coordinator.name, role))
    for provider in cast.providers:
        if provider.email == cast.group_provider:
            role = f"{provider.association}: logged a session for several people"
            logins.append(DemoLogin(provider.email, provider.name, role))
    return [*logins, *_list_story_logins(rulebooks, cast)]


def _list_story_logins(rulebooks: Rulebooks, cast: Cast) -> list[DemoLogin]:
    """The first person of each story, preferably at the association where it is shown."""
    people: list[DemoEndorsee | DemoApplicant] = [*cast.endorsees, *cast.applicants]
    by_story: dict[str, tuple[bool, DemoLogin]] = {}
    for person in people:
        story = person.story.name
        if isinstance(person, DemoEndorsee):
            association, category, _ = person.endorsements[0]
            if not rulebooks.associations[association].requirements_of(category):
                story = "the rulebook has no renewal requirements"
        else:
            association, category = person.association, person.category
        login = DemoLogin(person.email, person.name, f"{association} {category}: {story}")
        is_preferred = person.story.shown_at in {None, association}
        if story not in by_story or (is_preferred and not by_story[story][0]):
            by_story[story] = (is_preferred, login)
    return [login for _, login in by_story.values()]


def _live_through(context: JobContext, now: datetime) -> None:
    """Evaluate everyone each week up to ``now``, and record runs as if every night had come."""
    quiet = replace(context, settings=context.settings.model_copy(update={"coordinators": ()}))
    schedule = context.settings.schedule
    latest = {}
    rulebooks = context.rulebooks.associations.values()
    for rulebook in rulebooks:
        for job in (Job.DIGEST, Job.EVALUATE):
            owed = find_due(schedule, job, rulebook.time_zone, now, None)
            today = local_day(now, rulebook.time_zone)
            latest[rulebook.id, job] = owed.local_date if owed else today
    last_digest = max(
        instant_of(latest[r.id, Job.DIGEST], schedule.digest_at, r.time_zone) for r in rulebooks
    )
    with context.transaction() as session:
        everyone = session.exec(select(Person.id)).all()
        for week in range(_WEEKS_OF_HISTORY, -1, -1):
            # The day before, so that the change belongs to the week that the digest reports.
            instant = last_digest - week * _WEEK - _DAY
            evaluate_people(session, context.rulebooks, everyone, instant)
            if week == 0:
                break
            for rulebook in rulebooks:
                day = latest[rulebook.id, Job.DIGEST] - week * _WEEK
                at = instant_of(day, schedule.digest_at, rulebook.time_zone)
                key = RunKey(Job.DIGEST, rulebook.id, day)
                claim_run(session, key, at)
                finish_run(session, key, run_digest(quiet, session, rulebook.id, day, at), at)
        evaluate_people(session, context.rulebooks, everyone, now)
        for rulebook in rulebooks:
            # Every night before the latest one, which is still due.
            for number in range(1, (_WEEKS_OF_HISTORY + 1) * _WEEK.days):
                day = latest[rulebook.id, Job.EVALUATE] - number * _DAY
                at = instant_of(day, schedule.evaluate_at, rulebook.time_zone)
                claim_run(session, RunKey(Job.EVALUATE, rulebook.id, day), at)


def _add_details(
    session: Session, rulebooks: Rulebooks, stories: Stories, cast: Cast, now: datetime
) -> set[int]:
    """Add waivers, extensions, and unconfirmed providers; the IDs of the people they concern."""
    changed = set()
    for endorsee in cast.endorsees:
        story = endorsee.story
        association, category, _ = endorsee.endorsements[0]
        if not rulebooks.associations[association].requirements_of(category):
            continue
        if not (story.waived or story.extended or story.unconfirmed):
            continue
        query = (
            select(Endorsement.id, Endorsement.person_id)
            .join(Person, col(Person.id) == Endorsement.person_id)
            .where(Person.email == endorsee.email)
            .where(Endorsement.association == association, Endorsement.category == category)
        )
        endorsement_id, person_id = session.exec(query).one()
        changed.add(person_id)
        if story.unconfirmed:
            entry = EntryInput(
                activity="rsc",
                held_on=now.date() - _UNCONFIRMED_SESSION_AGO,
                minutes=_SESSION_MINUTES,
                title=stories.rsc,
                provider_name=stories.new_provider,
                format="individual",
            )
            service = ServiceContext(session, rulebooks, Actor(_ACTOR, person_id), now)
            create_entry(service, person_id, entry, EntrySource(f"demo-{person_id}"))
        if story.waived or story.extended:
            _add_decision(session, rulebooks, stories, endorsee, endorsement_id, now)
    return changed


def _add_decision(
    session: Session,
    rulebooks: Rulebooks,
    stories: Stories,
    endorsee: DemoEndorsee,
    endorsement_id: int,
    now: datetime,
) -> None:
    """Waive RSC hours or extend a cycle: the previous one if it ended recently."""
    held = endorsee.endorsements[0]
    plan = rulebooks.plan(*held, now.date())
    if plan is None or plan.cycle is None:
        return
    cycle = plan.cycle
    row: Waiver | Renewal
    if endorsee.story.waived:
        rsc = [r.id for r in plan.requirements if r.counts == "rsc"]
        row = Waiver(
            endorsement_id=endorsement_id,
            cycle_starts_on=cycle.starts_on,
            requirement=rsc[0] if rsc else plan.requirements[0].id,
            reason=stories.waiver_reason,
        )
    else:
        previous = rulebooks.plan(*held, cycle.starts_on - _DAY)
        if previous and previous.cycle and is_recent(previous.cycle, now.date()):
            cycle = previous.cycle
        row = Renewal(
            endorsement_id=endorsement_id,
            cycle_starts_on=cycle.starts_on,
            extended_due_on=cycle.due_on + _EXTENSION,
            reason=stories.extension_reason,
        )
    session.add(row)
    session.flush()
    values = row.model_dump(exclude={"id"}, exclude_none=True)
    record_changes(session, [Change(_ACTOR, now, row.__tablename__, row.id, None, values)])


def _add_group_session(
    context: JobContext,
    session: Session,
    stories: Stories,
    cast: Cast,
    now: datetime,
    shown: Collection[str],
) -> str | None:
    """Log a session for several people, of whom one confirms and one disputes it.

    The people in ``shown`` come first and haven't answered. Returns the provider's address; None if
    no provider has supervised enough people.
    """
    qualified = [provider.email for provider in cast.providers if provider.role == "qualified"]
    supervisees = func.count(col(Entry.person_id).distinct())
    query = (
        select(Person.id, Person.email)
        .join(Entry, col(Entry.provider_id) == Person.id)
        .where(col(Person.email).in_(qualified))
        .group_by(col(Person.id), col(Person.email))
        .having(supervisees >= _GROUP_SIZE)
        .order_by(supervisees.desc(), col(Person.id))
    )
    provider = session.exec(query).first()
    if provider is None:
        return None
    provider_id, email = provider
    named = list_supervisees(session, provider_id)
    named = sorted(named, key=lambda person: person.email not in shown)[:_GROUP_SIZE]
    group_session = GroupSessionInput(
        held_on=now.date() - _GROUP_SESSION_AGO,
        minutes=_GROUP_MINUTES,
        title=stories.rsc,
        invitations=[Invitation(person.email, person.name) for person in named],
    )
    service = ServiceContext(session, context.rulebooks, Actor(email, provider_id), now)
    _, member_ids = create_group_session(service, group_session, "demo", None)
    notify_members(context, session, member_ids, now)
    *_, (disputing, disputed_id), (confirming, confirmed_id) = zip(named, member_ids, strict=True)
    disputer = Actor(disputing.email, disputing.id)
    dispute_group_session(replace(service, actor=disputer), disputed_id, stories.dispute)
    confirmer = Actor(confirming.email, confirming.id)
    confirm_group_session(replace(service, actor=confirmer), confirmed_id)
    return email
