"""Coordinators and endorsees of the demo, who act some days ago."""

from datetime import timedelta

from sqlmodel import Session

from tracker.demo.people import Cast
from tracker.notifications.context import JobContext
from tracker.services.context import Actor, ServiceContext
from tracker.settings import Coordinator


class Acting:
    """Gives what services need to do something on behalf of someone in the demo."""

    def __init__(self, context: JobContext, session: Session, cast: Cast) -> None:
        self.context, self.session, self.cast = context, session, cast
        self.coordinators: dict[str, Coordinator] = {}
        for coordinator in context.settings.coordinators:
            self.coordinators.setdefault(coordinator.association, coordinator)

    def as_coordinator(self, association: str, ago: timedelta) -> ServiceContext:
        """An association's first coordinator."""
        return self._act(Actor(self.coordinators[association].email, None, (association,)), ago)

    def as_endorsee(self, email: str, person_id: int, ago: timedelta) -> ServiceContext:
        """An endorsee, about what is their own."""
        return self._act(Actor(email, person_id), ago)

    def _act(self, actor: Actor, ago: timedelta) -> ServiceContext:
        return ServiceContext(self.session, self.context.rulebooks, actor, self.cast.now - ago)
