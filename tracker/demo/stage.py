"""Fills the demo's database: the roster, the weeks before today, and what no CSV file can hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import Session, col, func, select, update

from tracker.clock import instant_of, local_day
from tracker.db.log import Entry
from tracker.db.people import Person
from tracker.demo.list_examples import add_list_examples
from tracker.demo.listings import add_listings
from tracker.demo.people import Cast, DemoApplicant, DemoEndorsee
from tracker.demo.renewals import DemoRenewals
from tracker.demo.returns import DemoReturns
from tracker.demo.reviews import add_reviews
from tracker.demo.roster import write_roster
from tracker.demo.sample_list import write_sample_list
from tracker.demo.stories import RenewalStory, Stories
from tracker.importer.apply import import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.vocabulary import vocabulary_of
from tracker.jobs.digest import run_digest
from tracker.jobs.schedule import Job, find_due
from tracker.notifications.context import JobContext
from tracker.notifications.group_session_mail import notify_members
from tracker.notifications.mailing_mail import Sender
from tracker.notifications.mailing_sending import send_mailing
from tracker.plain_text import plain_name
from tracker.rulebooks import Rulebooks
from tracker.rules.stages import Stage
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.group_choices import list_supervisees
from tracker.services.group_confirmations import confirm_group_session, dispute_group_session
from tracker.services.group_sessions import (
    GroupSessionInput,
    Invitation,
    create_group_session,
)
from tracker.services.mailing_recipients import AudienceFilter, list_audience
from tracker.services.mailing_rules import MailingTemplate
from tracker.services.mailings import MailingInput
from tracker.services.profile import set_provider_settings
from tracker.services.provider_answers import decline_names
from tracker.services.run_ledger import RunKey, claim_run, finish_run
from tracker.services.team import FixedTeam
from tracker.services.waiting_names import find_waiting_names
from tracker.settings import Coordinator, Settings
from tracker.web.dependencies import DemoLogin
from tracker.web.pages.desk_mail import describe_filter

_ACTOR = "tracker demo"
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS_OF_HISTORY = 4
_GROUP_SESSION_AGO = timedelta(days=2)
_GROUP_MINUTES = 90
_GROUP_SIZE = 5
_MAILED_ABOUT = "rsc"
_AUDIT_WORDS = {
    Stage.ASKED: "documents are asked for",
    Stage.SENT: "has sent the documents",
    Stage.PASSED: "has passed",
    Stage.NOT_PASSED: "has not passed",
}


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


def fill(context: JobContext, engine: Engine, cast: Cast, folder: Path) -> None:
    """Write the roster into ``folder``, import it, and live through the weeks before now."""
    files = write_roster(folder, cast)
    write_sample_list(folder, cast)
    vocabulary = vocabulary_of(cast.rulebooks)
    import_paths(engine, files, ImportContext(vocabulary, cast.today, _ACTOR, cast.now))
    with context.transaction() as session:
        DemoRenewals(context, session, cast).add()
        DemoReturns(context, session, cast).add()
    _live_through(context, cast.now)
    with context.transaction() as session:
        _add_group_session(context, session, cast)
        # Their endorsees get an email about these, as if they had logged them on the pages.
        named = col(Entry.provider_name).is_not(None)
        session.exec(update(Entry).where(named).values(logged_at=cast.now - _DAY))
        _add_provider_settings(context, session, cast)
        add_listings(session, context.rulebooks, cast)
        _decline_provider(context, session, cast)
        add_list_examples(context, session, cast)
        shown = {login.email for login in list_logins(context.settings, cast)}
        add_reviews(context, session, cast, shown)
        for coordinator in context.settings.coordinators:
            _send_mailing(context, session, cast, coordinator)


def _send_mailing(
    context: JobContext, session: Session, cast: Cast, coordinator: Coordinator
) -> None:
    """Send a coordinator's mailing of yesterday to those who are missing hours."""
    association, sent_at = coordinator.association, cast.now - _DAY
    today = local_day(sent_at, context.rulebooks.associations[association].time_zone)
    chosen = AudienceFilter(missing=_MAILED_ABOUT)
    audience = list_audience(session, association, today, chosen)
    if not audience.person_ids:
        return
    typed = MailingInput(
        association,
        MailingTemplate.FREE,
        cast.stories.mailing_subject,
        cast.stories.mailing_text.strip(),
        describe_filter(chosen, audience),
        tuple(audience.person_ids),
        f"demo {association}",
    )
    actor = Actor(coordinator.email, None, (association,))
    service = ServiceContext(session, context.rulebooks, actor, sent_at)
    send_mailing(context, service, typed, Sender(coordinator.name, coordinator.email))


def list_logins(settings: Settings, cast: Cast) -> Sequence[DemoLogin]:
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
    return [*logins, *_list_story_logins(cast)]


def _list_story_logins(cast: Cast) -> list[DemoLogin]:
    """The first person of each story, preferably at the association where it is shown."""
    people: list[DemoEndorsee | DemoApplicant] = [*cast.endorsees, *cast.applicants]
    by_story: dict[str, tuple[bool, DemoLogin]] = {}
    for person in people:
        if isinstance(person.story, RenewalStory) and not person.story.is_shown:
            continue
        story = _describe_story(cast, person)
        if isinstance(person, DemoEndorsee):
            association, category, _ = person.endorsements[0]
            if not cast.rulebooks.associations[association].requirements_of(category):
                story = "the rulebook has no renewal requirements"
        else:
            association, category = person.association, person.category
        login = DemoLogin(person.email, person.name, f"{association} {category}: {story}")
        is_preferred = person.story.shown_at in {None, association}
        if story not in by_story or (is_preferred and not by_story[story][0]):
            by_story[story] = (is_preferred, login)
    return [login for _, login in by_story.values()]


def _describe_story(cast: Cast, person: DemoEndorsee | DemoApplicant) -> str:
    state = cast.audited.get(person.email)
    return f"is audited: {_AUDIT_WORDS[state]}" if state else person.story.name


def _live_through(context: JobContext, now: datetime) -> None:
    """Evaluate everyone each week up to ``now``, and record runs as if every night had come."""
    nobody = context.settings.model_copy(update={"coordinators": ()})
    quiet = replace(context, team=FixedTeam(nobody))
    schedule_of = context.settings.schedule_of
    latest = {}
    rulebooks = context.rulebooks.associations.values()
    for rulebook in rulebooks:
        for job in (Job.DIGEST, Job.EVALUATE):
            owed = find_due(schedule_of(rulebook.id), job, rulebook.time_zone, now, None)
            today = local_day(now, rulebook.time_zone)
            latest[rulebook.id, job] = owed.local_date if owed else today
    last_digest = max(
        instant_of(latest[r.id, Job.DIGEST], schedule_of(r.id).digest_at, r.time_zone)
        for r in rulebooks
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
                digest_at = schedule_of(rulebook.id).digest_at
                at = instant_of(day, digest_at, rulebook.time_zone)
                key = RunKey(Job.DIGEST, rulebook.id, day)
                claim_run(session, key, at)
                finish_run(session, key, run_digest(quiet, session, rulebook.id, day, at), at)
        evaluate_people(session, context.rulebooks, everyone, now)
        for rulebook in rulebooks:
            # Every night before the latest one, which is still due.
            for number in range(1, (_WEEKS_OF_HISTORY + 1) * _WEEK.days):
                day = latest[rulebook.id, Job.EVALUATE] - number * _DAY
                evaluate_at = schedule_of(rulebook.id).evaluate_at
                at = instant_of(day, evaluate_at, rulebook.time_zone)
                claim_run(session, RunKey(Job.EVALUATE, rulebook.id, day), at)


def _add_provider_settings(context: JobContext, session: Session, cast: Cast) -> None:
    """Let the first providers of each association take new supervisees."""
    lines = cast.stories.provider_lines
    query = select(Person.email, Person.id)
    ids = dict(session.exec(query).all())
    for association in context.rulebooks.associations:
        own = [p for p in cast.providers if (p.association, p.role) == (association, "qualified")]
        for provider, line in zip(own, lines, strict=False):
            actor = Actor(provider.email, ids[provider.email])
            service = ServiceContext(session, context.rulebooks, actor, cast.now)
            set_provider_settings(service, takes_supervisees=True, line=line, today=cast.today)


def _decline_provider(context: JobContext, session: Session, cast: Cast) -> None:
    """Have each association's coordinator decline a name that endorsees entered."""
    key = plain_name(cast.stories.declined_provider)
    for coordinator in context.settings.coordinators:
        association = coordinator.association
        names = find_waiting_names(session, association, cast.today, {key})
        if names:
            actor = Actor(coordinator.email, coordinates=(association,))
            service = ServiceContext(session, context.rulebooks, actor, cast.now)
            decline_names(service, association, names, cast.stories.decline_reason)


def _add_group_session(context: JobContext, session: Session, cast: Cast) -> None:
    """Log a session for several people, of whom one confirms and one disputes it.

    The people whom the demo offers come first and haven't answered. Nothing is logged if no
    provider has supervised enough people.
    """
    # A session for people whose renewals are submitted could not be confirmed.
    made_up = {story.association for story in cast.stories.renewals}
    qualified = []
    for one in cast.providers:
        if one.role == "qualified" and one.association not in made_up:
            qualified.append(one.email)
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
        return
    provider_id, email = provider
    shown = {login.email for login in list_logins(context.settings, cast)}
    named = list_supervisees(session, provider_id)
    named = sorted(named, key=lambda person: person.email not in shown)[:_GROUP_SIZE]
    group_session = GroupSessionInput(
        held_on=cast.now.date() - _GROUP_SESSION_AGO,
        minutes=_GROUP_MINUTES,
        title=cast.stories.rsc,
        invitations=[Invitation(person.email, person.name) for person in named],
    )
    service = ServiceContext(session, context.rulebooks, Actor(email, provider_id), cast.now)
    _, member_ids = create_group_session(service, group_session, "demo", None)
    notify_members(context, session, member_ids, cast.now)
    *_, (disputing, disputed_id), (confirming, confirmed_id) = zip(named, member_ids, strict=True)
    disputer = Actor(disputing.email, disputing.id)
    dispute_group_session(replace(service, actor=disputer), disputed_id, cast.stories.dispute)
    confirmer = Actor(confirming.email, confirming.id)
    confirm_group_session(replace(service, actor=confirmer), confirmed_id)
    cast.group_provider = email
