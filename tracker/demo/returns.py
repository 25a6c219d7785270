"""Who was removed after a lapse in the demo, asked to be reinstated, and came back."""

from datetime import date, timedelta

from sqlmodel import select

from tracker.clock import local_day
from tracker.db.people import Endorsement, Person
from tracker.demo.acting import Acting
from tracker.demo.people import DemoEndorsee
from tracker.demo.stories import RenewalStory
from tracker.notifications.removal_mail import notify_removed
from tracker.services.applications import endorse_applicant, submit_application
from tracker.services.context import ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.fees import PaymentInput, ShareInput, record_payment
from tracker.services.lapse_removals import remove_lapsed
from tracker.services.reinstatements import start_reinstatement

_DAY = timedelta(days=1)


class DemoReturns(Acting):
    """Lives through removals, and reinstatements with everything that they take."""

    def add(self) -> None:
        """Remove everyone whose story has it, and reinstate some of them."""
        query = select(Endorsement, Person.email).join(Person)
        held = {email: endorsement for endorsement, email in self.session.exec(query)}
        for endorsee in self.cast.endorsees:
            story = endorsee.story
            if isinstance(story, RenewalStory) and story.removed is not None:
                self._remove(story, held[endorsee.email], story.removed)
                if story.asked_back is not None:
                    self._ask(endorsee, story, held[endorsee.email], story.asked_back)

    def _remove(self, story: RenewalStory, endorsement: Endorsement, days_ago: int) -> None:
        removing = self.as_coordinator(story.association, days_ago * _DAY)
        people = {endorsement.person_id}
        # The night before: only what is known to have lapsed can be removed.
        evaluate_people(self.session, removing.rulebooks, people, removing.now)
        lapsed = remove_lapsed(removing, endorsement.id)
        # Emails of months ago would wait in the mailbox, above what is news.
        if story.asked_back is None:
            notify_removed(self.context, self.session, lapsed, removing.now)

    def _ask(
        self, endorsee: DemoEndorsee, story: RenewalStory, removed: Endorsement, days_ago: int
    ) -> None:
        """Submit and pay a reinstatement, and grant it if the story says so."""
        asking = self.as_coordinator(story.association, days_ago * _DAY)
        today = self._local_day(story, asking)
        own = self.as_endorsee(endorsee.email, removed.person_id, days_ago * _DAY)
        application_id = start_reinstatement(own, removed.id)
        submit_application(own, application_id, today)
        if removed.ends_on is None:
            return
        removed_on = removed.ends_on + _DAY
        plan = asking.rulebooks.application_plan(
            removed.association, removed.category, today, "reinstatement"
        )
        for fee in plan.fees:
            share = ShareInput(removed.id, removed_on, fee.id, fee.amount)
            payment = PaymentInput(
                story.association,
                today,
                fee.amount,
                endorsee.name,
                str(2000 + removed.id),
                "",
                (share,),
                f"demo-back-{removed.id}",
            )
            record_payment(asking, payment)
        if story.reinstated is not None:
            granting = self.as_coordinator(story.association, story.reinstated * _DAY)
            endorse_applicant(granting, application_id, self._local_day(story, granting))

    def _local_day(self, story: RenewalStory, context: ServiceContext) -> date:
        rulebook = context.rulebooks.associations[story.association]
        return local_day(context.now, rulebook.time_zone)
