"""Who agreed to be in the public registries of the demo's made-up associations."""

from datetime import timedelta

from sqlmodel import Session, select

from tracker.db.people import Person
from tracker.demo.people import Cast
from tracker.demo.stories import RenewalStory
from tracker.rulebooks import Rulebooks
from tracker.services.context import Actor, ServiceContext
from tracker.services.registry_consent import choose_listings

_AGREED_AGO = timedelta(days=5)


def add_listings(session: Session, rulebooks: Rulebooks, cast: Cast) -> None:
    """List those whose story says so, and the providers who take new supervisees.

    `set_provider_settings` comes before.
    """
    agreed = {}
    for endorsee in cast.endorsees:
        if isinstance(endorsee.story, RenewalStory) and endorsee.story.is_listed:
            agreed[endorsee.email] = endorsee.story.association
    query = select(Person.email, Person.id, Person.takes_supervisees_since)
    people = {email: (person_id, since) for email, person_id, since in session.exec(query)}
    for provider in cast.providers:
        has_registry = rulebooks.associations[provider.association].registry is not None
        if has_registry and people[provider.email][1] is not None:
            agreed[provider.email] = provider.association
    for email, association in agreed.items():
        actor = Actor(email, people[email][0])
        at = cast.now - _AGREED_AGO
        choose_listings(ServiceContext(session, rulebooks, actor, at), {association})
