"""Which mails a person may switch off, and which notices those are. Pure.

What tells of a due date that is near or past, and of a lapse, always goes out: an endorsement can
be lost for want of it. All else is a service.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum

from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Key, Kind

SWITCHED_OFF = "the person has switched such mail off"


class Optional(StrEnum):
    """A kind of mail that can be switched off; the value is stored."""

    EARLY = "early reminders"
    MEMBERSHIP = "membership"
    CUTOFF = "provider cutoff"
    RSC_WINDOW = "rsc window"
    REFERENCES = "references"
    SESSIONS = "session"


_OF_KIND = {
    Kind.MEMBERSHIP: Optional.MEMBERSHIP,
    Kind.CUTOFF: Optional.CUTOFF,
    Kind.RSC_WINDOW: Optional.RSC_WINDOW,
    Kind.REFERENCES: Optional.REFERENCES,
}


def optional_kind(config: NoticeConfig, key: Key) -> Optional | None:
    """What a notice is switched off by; None if it always goes out."""
    if key.kind is Kind.RENEWAL and -key.step > config.renewal.optional_before:
        return Optional.EARLY
    return _OF_KIND.get(key.kind)


def apply_preferences(
    config: NoticeConfig, decisions: Iterable[Decision], off: Collection[str]
) -> Iterator[Decision]:
    """The decisions, those skipped that a person has switched ``off`` (values of `Optional`)."""
    for decision in decisions:
        kind = optional_kind(config, decision.key)
        if decision.skipped is None and kind is not None and kind.value in off:
            yield decision._replace(skipped=SWITCHED_OFF)
        else:
            yield decision


def kinds_in(config: NoticeConfig, decisions: Iterable[Decision]) -> tuple[Optional, ...]:
    """By what a mail of these decisions can be switched off whole; empty if some part cannot."""
    kinds = [optional_kind(config, decision.key) for decision in decisions]
    found = [kind for kind in kinds if kind is not None]
    return tuple(dict.fromkeys(found)) if len(found) == len(kinds) else ()
