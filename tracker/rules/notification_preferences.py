"""Which notices a person may switch off. Pure.

Notices about a due date that is near or past, the last day to submit, the end of a limited term,
and a lapse are always sent, because an endorsement can be lost without them. All others are
optional.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum

from tracker.rules.notice_config import NoticeConfig, NoticeConfigs
from tracker.rules.notices import Decision, Key, Kind

SWITCHED_OFF = "the person has switched such mail off"


class OptionalNotice(StrEnum):
    """A kind of mail that can be switched off; the value is stored."""

    EARLY = "early reminders"
    MEMBERSHIP = "membership"
    CUTOFF = "provider cutoff"
    RSC_WINDOW = "rsc window"
    REFERENCES = "references"
    SESSIONS = "session"
    MESSAGES = "messages"


# A renewal's early reminders are optional; its others are always sent. The first day to submit is
# early, and so is the end of days away.
ALWAYS_SENT = frozenset({Kind.RENEWAL, Kind.LAPSE, Kind.WINDOW_CLOSES, Kind.TERM_ENDS})
_BY_KIND = {
    Kind.MEMBERSHIP: OptionalNotice.MEMBERSHIP,
    Kind.CUTOFF: OptionalNotice.CUTOFF,
    Kind.RSC_WINDOW: OptionalNotice.RSC_WINDOW,
    Kind.REFERENCES: OptionalNotice.REFERENCES,
    Kind.WINDOW_OPENS: OptionalNotice.EARLY,
    Kind.ABSENCE_ENDS: OptionalNotice.EARLY,
}


def optional_kind(config: NoticeConfig, key: Key) -> OptionalNotice | None:
    """The preference that a notice depends on; None if it is always sent."""
    if key.kind is Kind.RENEWAL and -key.step > config.renewal.optional_before:
        return OptionalNotice.EARLY
    return None if key.kind in ALWAYS_SENT else _BY_KIND[key.kind]


def apply_preferences(
    configs: NoticeConfigs, decisions: Iterable[Decision], off: Collection[str]
) -> Iterator[Decision]:
    """The decisions, of which those that a person has switched ``off`` are skipped.

    ``off`` has values of `OptionalNotice`.
    """
    for decision in decisions:
        kind = optional_kind(configs.of(decision.standing.plan.association), decision.key)
        if decision.skipped is None and kind is not None and kind.value in off:
            yield decision._replace(skipped=SWITCHED_OFF)
        else:
            yield decision


def kinds_in(configs: NoticeConfigs, decisions: Iterable[Decision]) -> tuple[OptionalNotice, ...]:
    """The preferences that switch off a mail of these decisions; empty if part is always sent."""
    kinds = []
    for decision in decisions:
        kind = optional_kind(configs.of(decision.standing.plan.association), decision.key)
        if kind is None:
            return ()
        kinds.append(kind)
    return tuple(dict.fromkeys(kinds))
