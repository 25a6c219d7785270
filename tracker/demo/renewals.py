"""What happened to the renewals of the two made-up associations: submitted, paid, and audited."""

from datetime import date, timedelta
from itertools import groupby
from typing import NamedTuple

from sqlmodel import select

from tracker.db.people import Endorsement, Person
from tracker.demo.acting import Acting
from tracker.demo.people import DemoEndorsee
from tracker.demo.stories import RenewalStory
from tracker.notifications.audit_mail import announce_audit
from tracker.rules.audit_sampling import Quota
from tracker.rules.plan import RenewalPlan
from tracker.rules.stages import AuditVerdict, Stage
from tracker.services.audit_decisions import (
    ItemVerdict,
    ask_for_documents,
    decide_audit,
    record_verdicts,
)
from tracker.services.audit_draws import DrawInput, draw_renewals, freeze_frame, list_cycle_ends
from tracker.services.audits import (
    AuditedRenewal,
    get_case,
    list_attested,
    list_audited_entries,
    send_documents,
)
from tracker.services.fees import PaymentInput, ShareInput, record_payment
from tracker.services.submissions import SubmissionInput, return_renewal, submit_renewal

_DAY = timedelta(days=1)
_AUDITED = 5
_DRAWN_AGO, _SENT_AGO, _DECIDED_AGO = 7 * _DAY, 4 * _DAY, 2 * _DAY
_DOCUMENTS_IN = 9 * _DAY
# In the order of the draw; everybody else was asked, and has not answered.
_AUDITS = (Stage.PASSED, Stage.NOT_PASSED, Stage.SENT)


class _Renewal(NamedTuple):
    """A renewal of somebody in a story, and its ids."""

    endorsee: DemoEndorsee
    story: RenewalStory
    plan: RenewalPlan
    cycle_starts_on: date
    person_id: int
    endorsement_id: int


class DemoRenewals(Acting):
    """Lives through the weeks in which these renewals were submitted."""

    def add(self) -> None:
        """Record everything, the oldest first."""
        renewals = self._list_renewals()
        submitted = [r for r in renewals if r.story.submitted]
        for renewal in sorted(submitted, key=lambda r: r.story.submitted or 0, reverse=True):
            self._submit(renewal)
        paid = [r for r in renewals if r.story.paid]
        for _, group in groupby(paid, key=lambda r: r.story):
            self._pay(list(group))
        for association in dict.fromkeys(r.story.association for r in submitted):
            self._audit(association)

    def _list_renewals(self) -> list[_Renewal]:
        query = select(Person.email, Person.id, Endorsement.id).join(Endorsement)
        ids = {email: (person, held) for email, person, held in self.session.exec(query)}
        renewals = []
        for endorsee in self.cast.endorsees:
            story = endorsee.story
            if not isinstance(story, RenewalStory):
                continue
            due_on = self.cast.today + story.due_in * _DAY
            plan = self.context.rulebooks.plan(*endorsee.endorsements[0], due_on)
            if plan and plan.cycle:
                starts_on = plan.cycle.starts_on
                renewals.append(_Renewal(endorsee, story, plan, starts_on, *ids[endorsee.email]))
        return renewals

    def _submit(self, renewal: _Renewal) -> None:
        """Submit it, and return it if the story says so."""
        story, plan = renewal.story, renewal.plan
        required = {key for each in plan.requirements for key in each.rule.signed}
        signed = frozenset(plan.statements) if story.attests else frozenset(required)
        key = f"demo-{renewal.endorsement_id}"
        submission = submit_renewal(
            self.as_endorsee(
                renewal.endorsee.email, renewal.person_id, (story.submitted or 0) * _DAY
            ),
            SubmissionInput(
                renewal.endorsement_id,
                renewal.cycle_starts_on,
                renewal.endorsee.name,
                signed,
                key,
            ),
        )
        if story.returned is not None:
            coordinator = self.as_coordinator(story.association, story.returned * _DAY)
            return_renewal(coordinator, submission.id, self.cast.stories.returned_because)

    def _pay(self, paid: list[_Renewal]) -> None:
        """One check of an agency for all if they paid everything, and one for each if not."""
        is_together = paid[0].story.paid_share >= 1
        for group in [paid] if is_together else [[each] for each in paid]:
            shares = tuple(self._list_shares(group))
            story, first = group[0].story, group[0]
            days_ago = (story.paid or 0) * _DAY
            payment = PaymentInput(
                story.association,
                self.cast.today - days_ago,
                sum(share.cents for share in shares),
                self.cast.stories.agency if is_together else first.endorsee.name,
                str(1000 + first.endorsement_id),
                "",
                shares,
                f"demo-{first.endorsement_id}",
            )
            record_payment(self.as_coordinator(story.association, days_ago), payment)

    def _list_shares(self, renewals: list[_Renewal]) -> list[ShareInput]:
        return [
            ShareInput(
                each.endorsement_id,
                each.cycle_starts_on,
                fee.id,
                round(fee.amount * each.story.paid_share),
            )
            for each in renewals
            for fee in each.plan.fees
        ]

    def _audit(self, association: str) -> None:
        """Draw some of the accepted renewals, and ask for documents; three have answered.

        Only where a statement can stand for the log.
        """
        if not self.context.rulebooks.associations[association].attestations:
            return
        session, stories = self.session, self.cast.stories
        ends = list_cycle_ends(session, association)
        drawing = self.as_coordinator(association, _DRAWN_AGO)
        wanted = DrawInput(
            association, ends[0], ends[-1], Quota.NUMBER, _AUDITED, stories.audit_seed
        )
        draw = freeze_frame(drawing, wanted)
        draw_renewals(drawing, draw.id)
        asked = ask_for_documents(drawing, draw.id, self.cast.today + _DOCUMENTS_IN)
        for number, audited in enumerate(asked):
            self._announce(audited, _DRAWN_AGO)
            state = _AUDITS[number] if number < len(_AUDITS) else Stage.ASKED
            self.cast.audited[audited.person.email or ""] = state
            if state is not Stage.ASKED:
                self._answer(audited, state)

    def _answer(self, audited: AuditedRenewal, state: Stage) -> None:
        """Send the documents, and decide about them unless the coordinator has yet to do so."""
        session, stories = self.session, self.cast.stories
        case_id, person = audited.case.id, audited.person
        sending = self.as_endorsee(person.email or "", person.id, _SENT_AGO)
        send_documents(sending, case_id, stories.audit_note)
        if state is Stage.SENT:
            return
        association = audited.endorsement.association
        deciding = self.as_coordinator(association, _DECIDED_AGO)
        is_passed = state is Stage.PASSED
        verdicts = {
            entry.id: ItemVerdict(AuditVerdict.SUPPORTED)
            for entry, _ in list_audited_entries(session, audited)
        }
        if not is_passed:
            reason = stories.not_supported_because
            verdicts[min(verdicts)] = ItemVerdict(AuditVerdict.NOT_SUPPORTED, reason)
        attested = list_attested(session, self.context.rulebooks, audited, deciding.now)
        hours = {each.requirement.id: each.unlogged for each in attested if each.unlogged}
        record_verdicts(deciding, case_id, verdicts, hours if is_passed else {})
        reason = "" if is_passed else stories.not_passed_because
        decide_audit(deciding, case_id, passed=is_passed, reason=reason)
        self._announce(get_case(session, case_id, {association}), _DECIDED_AGO)

    def _announce(self, audited: AuditedRenewal, ago: timedelta) -> None:
        by = self.coordinators[audited.endorsement.association].name
        announce_audit(self.context, self.session, audited, self.cast.now - ago, by=by)
