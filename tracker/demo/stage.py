"""What the demo's people have by the day on which it is shown: waivers, extensions, a stranger."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine, func, insert, select
from sqlmodel import Session

from tracker.clock import instant_of, local_day
from tracker.db.audit import Change, record_changes
from tracker.db.tables import METADATA
from tracker.demo.people import Applicant, Cast, Endorsee, Stories, make_cast
from tracker.demo.roster import is_fresh, write_roster
from tracker.importer.apply import import_paths
from tracker.importer.vocabulary import vocabulary_of
from tracker.jobs.digest import run_digest
from tracker.jobs.schedule import Job, due
from tracker.notifications.context import JobContext
from tracker.notifications.group_session_mail import notify_members
from tracker.rulebooks import Rulebooks
from tracker.services.context import Actor, Author, ServiceContext
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import evaluate_people
from tracker.services.group_confirmations import confirm, dispute, hold_asked
from tracker.services.group_sessions import Held, Invited, Supervisee, log_session, supervisees_of
from tracker.services.run_ledger import claim_run, finish_run
from tracker.settings import Coordinator, Settings
from tracker.web.dependencies import DemoLogin

_WHO = "tracker demo"
_SESSION_MINUTES = 60
_DAY = timedelta(days=1)
_EXTENSION = timedelta(days=60)
# Early enough for the latest digest to tell of it.
_LATELY = timedelta(days=9)
_PERSON, _ENDORSEMENT = METADATA.tables["person"], METADATA.tables["endorsement"]


def add_extras(
    session: Session, rulebooks: Rulebooks, stories: Stories, cast: Cast, now: datetime
) -> set[int]:
    """Write them, each with its audit event; the ids of the people concerned."""
    changed = set()
    for endorsee in cast.endorsees:
        story = endorsee.story
        association, category, _ = endorsee.endorsements[0]
        # Where the rulebook asks nothing there is nothing to waive, and nobody to confirm.
        ruled = rulebooks.associations[association].requirements_of(category)
        if ruled and (story.waived or story.extended or story.unconfirmed):
            person_id, endorsement_id = _ids(session, endorsee)
            changed.add(person_id)
            if story.unconfirmed:
                _log_with_a_stranger(session, rulebooks, stories, person_id, now)
            if story.waived or story.extended:
                _grant(session, rulebooks, stories, endorsee, endorsement_id, now)
    return changed


def _ids(session: Session, endorsee: Endorsee) -> tuple[int, int]:
    association, category, _ = endorsee.endorsements[0]
    query = (
        select(_PERSON.c.id, _ENDORSEMENT.c.id)
        .join_from(_PERSON, _ENDORSEMENT, _ENDORSEMENT.c.person_id == _PERSON.c.id)
        .where(
            _PERSON.c.email == endorsee.email,
            _ENDORSEMENT.c.association == association,
            _ENDORSEMENT.c.category == category,
        )
    )
    row = session.connection().execute(query).one()
    return row[0], row[1]


def _log_with_a_stranger(
    session: Session, rulebooks: Rulebooks, stories: Stories, person_id: int, now: datetime
) -> None:
    entry = EntryInput(
        activity="rsc",
        held_on=now.date() - _LATELY,
        minutes=_SESSION_MINUTES,
        title=stories.rsc,
        provider_name=stories.new_provider,
        format="individual",
    )
    context = ServiceContext(session, rulebooks, Actor(_WHO, person_id), now)
    create_entry(context, person_id, entry, EntrySource(f"demo-{person_id}"))


def _grant(
    session: Session,
    rulebooks: Rulebooks,
    stories: Stories,
    endorsee: Endorsee,
    endorsement_id: int,
    now: datetime,
) -> None:
    """Waive the RSC of the current cycle, or extend the cycle before while that makes sense."""
    association, category, starts_on = endorsee.endorsements[0]
    today = now.date()
    plan = rulebooks.plan(association, category, starts_on, today)
    if plan is None or plan.cycle is None:
        return
    values: dict[str, object] = {
        "endorsement_id": endorsement_id,
        "cycle_starts_on": plan.cycle.starts_on,
    }
    if endorsee.story.waived:
        name = "waiver"
        waived = next(
            (a.id for a in plan.requirements if a.counts == "rsc"), plan.requirements[0].id
        )
        values |= {"requirement": waived, "reason": stories.waiver_reason}
    else:
        name = "renewal"
        before = rulebooks.plan(association, category, starts_on, plan.cycle.starts_on - _DAY)
        old = before.cycle if before else None
        extended = old if old and is_fresh(old, today) else plan.cycle
        values |= {
            "cycle_starts_on": extended.starts_on,
            "extended_due_on": extended.due_on + _EXTENSION,
            "reason": stories.extension_reason,
        }
    table = METADATA.tables[name]
    row_id = (
        session.connection()
        .execute(insert(table).values(**values).returning(table.c.id))
        .scalar_one()
    )
    record_changes(session, [Change(_WHO, now, name, row_id, None, values)])


_ENTRY, _PERSON_GROUP_SESSION = METADATA.tables["entry"], METADATA.tables["person"]
_MINUTES = 90
_AGO = timedelta(days=2)
_NAMED = 5


def add_group_session(
    context: JobContext,
    session: Session,
    stories: Stories,
    cast: Cast,
    now: datetime,
    shown: Collection[str],
) -> str | None:
    """Store it; the provider's address, None where nobody has supervised enough people.

    ``shown`` are the addresses that the demo opens with one click: these are asked first, and
    have not answered.
    """
    provider = _provider(session, cast)
    if provider is None:
        return None
    author = Author(provider[0], provider[1], now)
    known = supervisees_of(session, author.person_id)
    named = sorted(known, key=lambda s: s.email not in shown)[:_NAMED]
    held = Held(now.date() - _AGO, _MINUTES, stories.rsc)
    invited = [Invited(one.email, one.name) for one in named]
    logged = log_session(session, author, held, invited, "demo")
    notify_members(context, session, logged.asked, now)
    _answer(context, session, named, [*logged.asked], now, stories.dispute)
    return provider[1]


def _provider(session: Session, cast: Cast) -> tuple[int, str] | None:
    """Whoever of those who qualify has supervised most people."""
    qualified = [p.email for p in cast.providers if p.role == "qualified"]
    query = (
        select(_PERSON_GROUP_SESSION.c.id, _PERSON_GROUP_SESSION.c.email)
        .join(_ENTRY, _ENTRY.c.provider_id == _PERSON_GROUP_SESSION.c.id)
        .where(_PERSON_GROUP_SESSION.c.email.in_(qualified))
        .group_by(_PERSON_GROUP_SESSION.c.id, _PERSON_GROUP_SESSION.c.email)
        .having(func.count(_ENTRY.c.person_id.distinct()) >= _NAMED)
        .order_by(func.count(_ENTRY.c.person_id.distinct()).desc(), _PERSON_GROUP_SESSION.c.id)
    )
    row = session.connection().execute(query).first()
    return (row[0], row[1]) if row else None


def _answer(
    context: JobContext,
    session: Session,
    named: list[Supervisee],
    asked: list[int],
    now: datetime,
    note: str,
) -> None:
    """The last has confirmed it, and the one before disputes it."""
    for person, member_id in list(zip(named, asked, strict=True))[-2:]:
        author = Author(person.id, person.email, now)
        held = hold_asked(session, person.id, member_id)
        if held is None:
            continue
        if member_id == asked[-1]:
            confirm(session, context.rulebooks, author, held)
        else:
            dispute(session, context.rulebooks, author, held, note)


_WEEK = timedelta(days=7)
_WEEKS = 4


def live_through(context: JobContext, now: datetime) -> None:
    """Evaluate everybody each week up to ``now``, and write the run ledger as if each night."""
    quiet = replace(context, settings=context.settings.model_copy(update={"coordinators": ()}))
    latest = max(
        instant_of(
            _latest(context, Job.DIGEST, rulebook, now), context.settings.schedule.digest_at, zone
        )
        for rulebook, zone in _zones(context)
    )
    with context.transaction() as session:
        everyone = list(session.scalars(select(METADATA.tables["person"].c.id)))
        for week in range(_WEEKS, -1, -1):
            # On the eve, so that what changed belongs to the week that the digest tells of.
            evaluate_people(session, context.rulebooks, everyone, latest - week * _WEEK - _DAY)
            if week:
                _digest(quiet, session, week, now)
        evaluate_people(session, context.rulebooks, everyone, now)
        _nights(context, session, now)


def _zones(context: JobContext) -> list[tuple[str, str]]:
    return [
        (rulebook.id, rulebook.time_zone) for rulebook in context.rulebooks.associations.values()
    ]


def _latest(context: JobContext, job: Job, association: str, now: datetime) -> date:
    """The latest date for which the job is due."""
    zone = context.rulebooks.associations[association].time_zone
    owed = due(context.settings.schedule, job, zone, now, None)
    return owed.local_date if owed else local_day(now, zone)


def _digest(context: JobContext, session: Session, week: int, now: datetime) -> None:
    """Keep the figures of the digests of so many weeks ago."""
    for association, zone in _zones(context):
        day = _latest(context, Job.DIGEST, association, now) - week * _WEEK
        at = instant_of(day, context.settings.schedule.digest_at, zone)
        claim_run(session, Job.DIGEST, association, day, at)
        report = run_digest(context, session, association, day, at)
        finish_run(session, Job.DIGEST, association, day, at, report)


def _nights(context: JobContext, session: Session, now: datetime) -> None:
    """The evaluations before the latest one, which is still due."""
    for association, zone in _zones(context):
        latest = _latest(context, Job.EVALUATE, association, now)
        for number in range(1, (_WEEKS + 1) * _WEEK.days):
            day = latest - number * _DAY
            at = instant_of(day, context.settings.schedule.evaluate_at, zone)
            claim_run(session, Job.EVALUATE, association, day, at)


class Address(NamedTuple):
    """Where the demo's page and its mail server listen."""

    host: str
    web_port: int
    mail_port: int

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{self.host}:{self.web_port}"


def demo_settings(
    settings: Settings, rulebooks: Rulebooks, stories: Stories, address: Address
) -> Settings:
    """The settings in force, but with the demo's addresses and coordinators."""
    coordinators = tuple(
        Coordinator(email=_address_of(name), name=name, association=association)
        for name, association in zip(
            stories.coordinators.names, rulebooks.associations, strict=False
        )
    )
    web = settings.web.model_copy(update={"host": address.host, "port": address.web_port})
    return settings.model_copy(
        update={
            "base_url": address.url,
            "smtp_url": SecretStr(f"smtp://{address.host}:{address.mail_port}?tls=none"),
            "coordinators": coordinators,
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
    """Write the roster's files into ``folder`` and take them in as `tracker import` does.

    Then the weeks before ``now`` are lived through.
    """
    rulebooks = context.rulebooks
    cast = make_cast(rulebooks, stories, today)
    files = write_roster(folder, rulebooks, stories, cast, today)
    import_paths(engine, files, vocabulary_of(rulebooks), as_of=today, now=now, who=_WHO)
    live_through(context, now)
    with context.transaction() as session:
        evaluate_people(session, rulebooks, add_extras(session, rulebooks, stories, cast, now), now)
        shown = {login.email for login in logins(context.settings, rulebooks, cast)}
        cast.session_logged_by = add_group_session(context, session, stories, cast, now, shown)
    return cast


def logins(settings: Settings, rulebooks: Rulebooks, cast: Cast) -> Sequence[DemoLogin]:
    """Each coordinator, a provider who has logged a session, and one endorsee of each kind.

    Then applicants; in the stories' order.
    """
    chosen: dict[str, DemoLogin] = {}
    for endorsee in sorted(cast.endorsees, key=_shown_elsewhere):
        association, category, _ = endorsee.endorsements[0]
        ruled = rulebooks.associations[association].requirements_of(category)
        kind = endorsee.story.name if ruled else "the rulebook holds no renewal rules"
        what = f"{association} {category}: {kind}"
        chosen.setdefault(kind, DemoLogin(endorsee.email, endorsee.name, what))
    for applicant in sorted(cast.applicants, key=_applies_elsewhere):
        kind = applicant.story.name
        what = f"{applicant.association} {applicant.category}: {kind}"
        chosen.setdefault(kind, DemoLogin(applicant.email, applicant.name, what))
    stories = (*(e.story.name for e in cast.endorsees), *(a.story.name for a in cast.applicants))
    kinds = dict.fromkeys([*stories, *chosen])
    coordinators = [
        DemoLogin(c.email, c.name, f"coordinator of {c.association}") for c in settings.coordinators
    ]
    providers = [
        DemoLogin(p.email, p.name, f"{p.association}: has logged a session for several people")
        for p in cast.providers
        if p.email == cast.session_logged_by
    ]
    return [*coordinators, *providers, *(chosen[kind] for kind in kinds if kind in chosen)]


def _shown_elsewhere(endorsee: Endorsee) -> bool:
    shown_at = endorsee.story.shown_at
    return shown_at is not None and endorsee.endorsements[0][0] != shown_at


def _applies_elsewhere(applicant: Applicant) -> bool:
    return applicant.story.shown_at not in {None, applicant.association}


def _address_of(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.org"
