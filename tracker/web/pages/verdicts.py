"""What each renewal, and each application, makes of an entry: by the rules of the entry's day."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from tracker.rules.explain import Background, LoggedEntry, Verdict, describe_background, explain
from tracker.rules.plan import Plan, RenewalPlan
from tracker.rules.providers import Provider
from tracker.rules.reasons import Reason
from tracker.rules.standing import AnyStanding, ApplicationStanding, list_exemptions
from tracker.services.endorsements import Endorsed
from tracker.web.pages.year_data import Material


class Judged(NamedTuple):
    """What one renewal, or one application, makes of an entry.

    ``standing`` is that of the cycle which holds the entry, where the page shows it; ``is_over``:
    the page does not, and that cycle is not today's. ``exemptions`` is as of `list_exemptions`.
    """

    plan: Plan
    subject_id: int
    standing: AnyStanding | None
    verdict: Verdict
    background: Background
    for_application: bool = False
    is_over: bool = False
    exemptions: Mapping[str, Reason] = {}


def judge_entry(material: Material, entry: LoggedEntry) -> list[Judged]:
    """One verdict for each endorsement, by the cycle that holds the entry, and each application."""
    found = [*_by_endorsements(material, entry)]
    for standing in material.applied:
        verdict = within_application(standing, entry, _explain(material, standing.plan, entry))
        subject, plan = standing.facts.subject_id, standing.plan
        why = _background(material, plan, entry, verdict, {})
        found.append(Judged(plan, subject, standing, verdict, why, for_application=True))
    return found


def counts_for(material: Material, standing: AnyStanding, entry: LoggedEntry) -> bool:
    """Whether an entry counts toward a standing."""
    return _explain(material, standing.plan, entry).counts


def within_application(
    standing: ApplicationStanding, entry: LoggedEntry, verdict: Verdict
) -> Verdict:
    """The verdict where sessions must also fit a span of months, or follow a degree.

    Only an application asks that: a renewal's verdict stays as it is.
    """
    why = {
        result.requirement.id: remark.reason
        for result in standing.results
        for remark in result.remarks
        if (remark.day, remark.title) == (entry.held_on, entry.title)
    }
    left = tuple(i for i in verdict.requirement_ids if i not in why)
    if left == verdict.requirement_ids:
        return verdict
    if left:
        return verdict._replace(requirement_ids=left)
    return Verdict(counts=False, requirement_ids=(), reason=why[verdict.requirement_ids[0]])


def _by_endorsements(material: Material, entry: LoggedEntry) -> Iterator[Judged]:
    for one in material.endorsements:
        if one.association not in material.rulebooks.associations:
            continue
        today = material.day_of(one.association)
        standing = material.standing_on(one.id, entry.held_on)
        plan = standing.plan if standing else _plan_on(material, one, entry.held_on, today)
        if plan is not None:
            verdict = _explain(material, plan, entry)
            known = standing or material.standing_aside(one.id, entry.held_on)
            left_out = list_exemptions(plan, known)
            why = _background(material, plan, entry, verdict, left_out)
            is_over = standing is None and plan.cycle is not None and plan.cycle.ends_on < today
            yield Judged(plan, one.id, standing, verdict, why, is_over=is_over, exemptions=left_out)


def _plan_on(material: Material, one: Endorsed, day: date, today: date) -> RenewalPlan | None:
    """The plan of the cycle that holds ``day``; of today's, where none does.

    None where there is nothing to renew: the endorsement has not begun, or ended before.
    """
    if one.starts_on > today:
        return None
    rulebooks = material.rulebooks
    plan = rulebooks.plan(one.association, one.category, one.starts_on, day)
    plan = plan or rulebooks.plan(one.association, one.category, one.starts_on, today)
    if plan and plan.cycle and one.ends_on is not None and one.ends_on < plan.cycle.due_on:
        return None
    return plan


def _explain(material: Material, plan: Plan, entry: LoggedEntry) -> Verdict:
    rule = material.rulebooks.provider_rules[plan.provider_rule][1] if plan.provider_rule else None
    today = material.day_of(plan.association)
    verdict = explain(entry, plan, rule, _provider(material, entry), today)
    if any(each.facts.provides_rsc for each in (*material.standings, *material.aside)):
        return verdict
    # What is asked of providers alone is not what this person's hours count towards.
    of_providers = {
        requirement.id for requirement in plan.requirements if requirement.only_rsc_providers
    }
    asked = tuple(i for i in verdict.requirement_ids if i not in of_providers)
    return verdict._replace(requirement_ids=asked) if asked else verdict


def _background(
    material: Material,
    plan: Plan,
    entry: LoggedEntry,
    verdict: Verdict,
    exemptions: Mapping[str, Reason],
) -> Background:
    rulebook = material.rulebooks.associations[plan.association]
    return describe_background(
        entry, plan, rulebook, _provider(material, entry), verdict, exemptions
    )


def _provider(material: Material, entry: LoggedEntry) -> Provider | None:
    return material.providers.get(entry.provider_id) if entry.provider_id else None
