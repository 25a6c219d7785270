"""For which associations and categories a provider's sessions of a day count.

This depends on the provider and the day, not on who took part. So it tells the provider nothing
about other people: not who is known here, nor which association they belong to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tracker.formatting import format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import (
    Provider,
    explain_unqualified,
    find_qualification,
    qualified_spans,
)
from tracker.rules.reasons import because, format_reason


@dataclass(frozen=True, slots=True)
class RuleQualification:
    """Whether sessions of a day count for some categories of an association, and why.

    ``other_days``: there are days on which they count.
    """

    association: str
    categories: str
    counts: bool
    other_days: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DayQualification:
    """What a provider's sessions of ``day`` count for, and what not, in the rulebooks' order."""

    day: date
    counting: Sequence[RuleQualification]
    not_counting: Sequence[RuleQualification]

    @property
    def warnings(self) -> Sequence[RuleQualification]:
        """What the provider should know before a session of that day is saved."""
        lost = [rule for rule in self.not_counting if rule.other_days]
        return lost if lost or self.counting else self.not_counting


def list_rule_categories(rulebooks: Rulebooks, key: str) -> list[str]:
    """The categories whose RSC follows a rule, for a renewal or an application.

    ``key`` is that of `Rulebooks.provider_rules`.
    """
    association, _, rule_id = key.partition("/")
    categories: dict[str, None] = {}
    for requirement in rulebooks.associations[association].requirements:
        if requirement.providers == rule_id:
            categories.update(dict.fromkeys(requirement.categories))
    return list(categories)


def qualify_day(rulebooks: Rulebooks, provider: Provider, day: date) -> DayQualification:
    """What a provider's sessions of a day count for, by every association's rules."""
    counting: list[RuleQualification] = []
    not_counting: list[RuleQualification] = []
    for key, (association, rule) in rulebooks.provider_rules.items():
        categories = list_rule_categories(rulebooks, key)
        if not categories:
            continue
        qualification = find_qualification(association, rule, provider, day)
        if qualification is not None:
            reason = because("qualified", status=qualification.credential.status)
        else:
            reason = explain_unqualified(association, rule, provider, day)
        result = RuleQualification(
            association=association,
            categories=format_list(categories),
            counts=qualification is not None,
            other_days=bool(qualified_spans(association, rule, provider)),
            reason=format_reason(reason),
        )
        (counting if result.counts else not_counting).append(result)
    return DayQualification(day, counting, not_counting)
