"""Which notices can be switched off, and that a switched-off one is a decision with its reason."""

from datetime import date

import pytest

from tests.rules.test_notices import alice
from tracker.rules.notice_config import NoticeConfig, NoticeConfigs, RenewalSteps
from tracker.rules.notices import Decision, Key, Kind
from tracker.rules.notification_preferences import (
    ALWAYS_SENT,
    SWITCHED_OFF,
    OptionalNotice,
    apply_preferences,
    kinds_in,
    optional_kind,
)

CONFIG = NoticeConfig(renewal=RenewalSteps(before=(90, 60, 30, 7), after=(1,)))
DUE = date(2026, 12, 31)
STANDING = alice(date(2024, 6, 1))


def decision(kind: Kind, step: int, skipped: str | None = None) -> Decision:
    return Decision(STANDING, Key(kind, "", DUE, step), skipped)


@pytest.mark.parametrize(
    ("kind", "step", "optional"),
    [
        (Kind.RENEWAL, -90, OptionalNotice.EARLY),
        (Kind.RENEWAL, -31, OptionalNotice.EARLY),
        (Kind.RENEWAL, -30, None),
        (Kind.RENEWAL, 1, None),
        (Kind.LAPSE, 31, None),
        (Kind.MEMBERSHIP, -30, OptionalNotice.MEMBERSHIP),
        (Kind.MEMBERSHIP, 1, OptionalNotice.MEMBERSHIP),
        (Kind.CUTOFF, -180, OptionalNotice.CUTOFF),
        (Kind.RSC_WINDOW, -7, OptionalNotice.RSC_WINDOW),
        (Kind.REFERENCES, 14, OptionalNotice.REFERENCES),
    ],
)
def test_essential_notices_cannot_be_switched_off(
    kind: Kind, step: int, optional: OptionalNotice | None
) -> None:
    assert optional_kind(CONFIG, Key(kind, "", DUE, step)) is optional


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_optional_or_always_sent(kind: Kind) -> None:
    optional = optional_kind(CONFIG, Key(kind, "", DUE, 0))
    assert (optional is None) == (kind in ALWAYS_SENT)


def test_disabled_notices_are_skipped_with_a_reason() -> None:
    early, late = decision(Kind.RENEWAL, -90), decision(Kind.RENEWAL, -7)
    quiet = decision(Kind.MEMBERSHIP, -30, "membership is waived")
    off = {kind.value for kind in OptionalNotice}
    found = [d.skipped for d in apply_preferences(NoticeConfigs(CONFIG), [early, late, quiet], off)]
    assert found == [SWITCHED_OFF, None, "membership is waived"]
    assert [*apply_preferences(NoticeConfigs(CONFIG), [early, late], ())] == [early, late]


def test_only_entirely_optional_mail_can_be_switched_off() -> None:
    early, late = decision(Kind.RENEWAL, -90), decision(Kind.RENEWAL, -7)
    cutoff = decision(Kind.CUTOFF, -30)
    assert kinds_in(NoticeConfigs(CONFIG), [early, cutoff, cutoff]) == (
        OptionalNotice.EARLY,
        OptionalNotice.CUTOFF,
    )
    assert kinds_in(NoticeConfigs(CONFIG), [late, cutoff]) == ()


def test_what_is_early_is_decided_by_each_association() -> None:
    early = decision(Kind.RENEWAL, -90)
    patient = NoticeConfig(renewal=RenewalSteps(before=(90,), optional_before=90))
    configs = NoticeConfigs(CONFIG, {"NCIMHA": patient})
    assert kinds_in(configs, [early]) == ()
    assert [*apply_preferences(configs, [early], {"early reminders"})] == [early]
    others = NoticeConfigs(CONFIG, {"CT-AIMH": patient})
    assert kinds_in(others, [early]) == (OptionalNotice.EARLY,)
