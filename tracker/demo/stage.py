"""Sets the demo's stage: its settings, its people in the database, and who can be opened."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine

from tracker.demo.cast import Applicant, Cast, Endorsee, make_cast
from tracker.demo.extras import add_extras
from tracker.demo.group_session import add_group_session
from tracker.demo.history import live_through
from tracker.demo.roster import write_roster
from tracker.demo.stories import Stories
from tracker.jobs.office import Office
from tracker.records.judging.evaluation import evaluate_people
from tracker.rulebooks import Rulebooks
from tracker.settings import Coordinator, Settings
from tracker.transfer.catalogue import catalogue_of
from tracker.transfer.importing import import_paths
from tracker.web.frame.site import DemoLogin

_WHO = "tracker demo"


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
    settings: Settings, books: Rulebooks, stories: Stories, address: Address
) -> Settings:
    """The settings in force, but with the demo's addresses and coordinators."""
    coordinators = tuple(
        Coordinator(email=_address_of(name), name=name, association=association)
        for name, association in zip(stories.coordinators.names, books.associations, strict=False)
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
    office: Office, engine: Engine, stories: Stories, folder: Path, *, today: date, now: datetime
) -> Cast:
    """Write the roster's files into ``folder`` and take them in as `tracker import` does.

    Then the weeks before ``now`` are lived through.
    """
    books = office.books
    cast = make_cast(books, stories, today)
    files = write_roster(folder, books, stories, cast, today)
    import_paths(engine, files, catalogue_of(books), as_of=today, now=now, who=_WHO)
    live_through(office, now)
    with office.transaction() as connection:
        evaluate_people(connection, books, add_extras(connection, books, stories, cast, now), now)
        shown = {login.email for login in logins(office.settings, books, cast)}
        cast.session_logged_by = add_group_session(office, connection, stories, cast, now, shown)
    return cast


def logins(settings: Settings, books: Rulebooks, cast: Cast) -> Sequence[DemoLogin]:
    """Each coordinator, a provider who has logged a session, and one endorsee of each kind.

    Then applicants; in the stories' order.
    """
    chosen: dict[str, DemoLogin] = {}
    for endorsee in sorted(cast.endorsees, key=_shown_elsewhere):
        association, category, _ = endorsee.endorsements[0]
        ruled = books.associations[association].requirements_of(category)
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
