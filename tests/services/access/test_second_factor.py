"""The second factor: setting it up, its codes, and removing it."""

from datetime import datetime, timedelta

import pyotp
import pytest
from sqlmodel import Session, select

from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOOKS, CAROL, DAN, NOW
from tracker.db.access import BrowserSession
from tracker.db.desk import SecondFactor
from tracker.services.browser_sessions import create_browser_session
from tracker.services.context import Actor, Refusal, Refused, ServiceContext
from tracker.services.second_factor import (
    FactorSetup,
    confirm_setup,
    enter_code,
    has_second_factor,
    reset_second_factor,
    start_setup,
)

STEP = timedelta(seconds=30)
PAUSE = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
# The codes of the setup are used up by then.
LATER = NOW + timedelta(hours=1)
WRONG = Refusal("code", "second-factor-wrong")
PAUSED = Refusal("code", "second-factor-paused")


def act(session: Session, now: datetime = NOW) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), now)


def enter(session: Session, code: str, now: datetime = LATER, browser: str = "") -> Refusal | None:
    return enter_code(act(session, now), CAROL, code, browser)


@pytest.fixture
def setup(session: Session) -> FactorSetup:
    return start_setup(act(session), CAROL)


@pytest.fixture
def app(setup: FactorSetup) -> pyotp.TOTP:
    """The app, in which the second factor was entered."""
    return pyotp.TOTP(setup.secret)


@pytest.fixture
def recovery(session: Session, app: pyotp.TOTP) -> list[str]:
    """The recovery codes of a second factor that was confirmed."""
    return confirm_setup(act(session), CAROL, app.at(NOW), "none")


def list_marked(session: Session, now: datetime) -> set[str]:
    """Whose browser sessions had their second factor at an instant."""
    query = select(BrowserSession.email).where(BrowserSession.factor_at == now)
    return set(session.exec(query))


def test_a_setup_waits_to_be_confirmed(session: Session, setup: FactorSetup) -> None:
    assert setup.url == (
        "otpauth://totp/Endorsement%20renewals:carol%40example.org"
        f"?secret={setup.secret}&issuer=Endorsement%20renewals"
    )
    assert start_setup(act(session, LATER), CAROL) == setup
    assert session.get_one(SecondFactor, CAROL).created_at == NOW
    assert start_setup(act(session), DAN).secret != setup.secret
    assert not has_second_factor(session, CAROL)
    assert not has_second_factor(session, ALICE)
    code = pyotp.TOTP(setup.secret).at(NOW)
    assert enter(session, code, NOW) == WRONG


def test_the_first_code_switches_it_on(session: Session, setup: FactorSetup) -> None:
    tokens = [create_browser_session(session, email, NOW) for email in (CAROL, DAN)]
    code = pyotp.TOTP(setup.secret).at(NOW)
    codes = confirm_setup(act(session), CAROL, code, tokens[0])
    assert len({*codes}) == 10
    assert {len(each) for each in codes} == {32}
    assert session.get_one(SecondFactor, CAROL).confirmed_at == NOW
    assert has_second_factor(session, CAROL)
    assert list_marked(session, NOW) == {CAROL}
    after = {"email": CAROL, "state": "on"}
    assert list_changes(session, "second_factor") == [LoggedChange(CAROL, 0, None, after)]
    with pytest.raises(Refused) as refused:
        start_setup(act(session), CAROL)
    assert refused.value.refusals == (Refusal("code", "second-factor-there"),)
    with pytest.raises(Refused) as refused:
        confirm_setup(act(session), CAROL, code, tokens[0])
    assert refused.value.refusals == (WRONG,)


def test_a_wrong_code_switches_nothing_on(session: Session, setup: FactorSetup) -> None:
    wrong = pyotp.TOTP(setup.secret).at(LATER)
    with pytest.raises(Refused) as refused:
        confirm_setup(act(session), CAROL, wrong, "none")
    assert refused.value.refusals == (WRONG,)
    assert not has_second_factor(session, CAROL)


@pytest.mark.usefixtures("recovery")
@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_of_an_app_works_once(session: Session, app: pyotp.TOTP, steps: int) -> None:
    token = create_browser_session(session, CAROL, NOW)
    code = app.at(LATER + steps * STEP)
    assert enter(session, f" {code[:3]} {code[3:]}-", browser=token) is None
    assert list_marked(session, LATER) == {CAROL}
    assert enter(session, code) == WRONG


@pytest.mark.usefixtures("recovery")
@pytest.mark.parametrize("steps", [-2, 2])
def test_codes_of_other_times_are_wrong(session: Session, app: pyotp.TOTP, steps: int) -> None:
    token = create_browser_session(session, CAROL, NOW)
    assert enter(session, app.at(LATER + steps * STEP), browser=token) == WRONG
    assert list_marked(session, LATER) == set()


@pytest.mark.usefixtures("recovery")
@pytest.mark.parametrize("typed", ["", "é23456", "\udc80"])
def test_any_other_text_is_a_wrong_code(session: Session, typed: str) -> None:
    assert enter(session, typed) == WRONG


def test_a_recovery_code_works_once(session: Session, recovery: list[str]) -> None:
    typed = f"{recovery[3][:16]} {recovery[3][16:]}".upper()
    assert enter(session, "000000") == WRONG
    assert enter(session, typed) is None
    assert session.get_one(SecondFactor, CAROL).wrong_codes == 0
    assert enter(session, typed) == WRONG
    assert enter(session, recovery[4]) is None
    assert list_changes(session, "second_factor")[1:] == [
        LoggedChange(CAROL, 0, None, {"recovery_codes_left": left}) for left in (9, 8)
    ]


def test_five_wrong_codes_in_a_row_pause(
    session: Session, app: pyotp.TOTP, recovery: list[str]
) -> None:
    for _ in range(4):
        assert enter(session, "wrong") == WRONG
    assert enter(session, app.at(LATER)) is None
    for number in range(5):
        assert enter(session, "wrong", LATER + number * SECOND) == WRONG
    again = LATER + 4 * SECOND + PAUSE
    for code in (recovery[0], app.at(again)):
        assert enter(session, code, again - SECOND) == PAUSED
    for _ in range(4):
        assert enter(session, "wrong", again) == WRONG
    assert enter(session, app.at(again), again) is None


def test_a_secret_that_cannot_be_read_is_reported(session: Session, recovery: list[str]) -> None:
    row = session.get_one(SecondFactor, CAROL)
    row.secret = row.secret[:-1] + bytes([row.secret[-1] ^ 1])
    session.flush()
    assert enter(session, recovery[0]) == Refusal("code", "second-factor-lost")


def test_removing_it_closes_the_desk_everywhere(session: Session, recovery: list[str]) -> None:
    for email in (CAROL, CAROL, DAN):
        create_browser_session(session, email, NOW, has_factor=True)
    start_setup(act(session), DAN)
    assert reset_second_factor(act(session), CAROL)
    assert list_marked(session, NOW) == {DAN}
    before = {"email": CAROL, "state": "on"}
    last = list_changes(session, "second_factor")[-1]
    assert last == LoggedChange(CAROL, 0, before, None)
    session.expire_all()
    assert session.exec(select(SecondFactor.email)).all() == [DAN]
    assert not reset_second_factor(act(session), CAROL)
    assert enter(session, recovery[0]) == WRONG
