"""The second factor of a team member: a code from an authenticator app (TOTP, RFC 6238).

A sign-in by email alone opens the desk only where no second factor is set up or required. Each code
works once. Ten recovery codes, each for one sign-in, stand in for a lost phone.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
from sqlmodel import Session, col, delete, update

from tracker.db.access import BrowserSession
from tracker.db.desk import SecondFactor
from tracker.db.signing_keys import factor_cipher
from tracker.db.statements import upsert
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.sign_in import hash_token

ISSUER = "Endorsement renewals"
RECOVERY_CODES = 10
# So many wrong codes in a row pause further ones, so that six digits can't be guessed.
MAX_WRONG, PAUSE = 5, timedelta(minutes=15)
_STEP_SECONDS = 30
# Clocks differ: the codes of the step before and after count as well.
_STEPS_AROUND = 1
# Stored as plain hashes, so they must be too long to be tried out (ASVS 6.5.2, 11.2.3).
_RECOVERY_BYTES = 16


@dataclass(frozen=True, slots=True)
class FactorSetup:
    """What somebody enters into their app: as text, and as the address that a QR code holds."""

    secret: str
    url: str


def has_second_factor(session: Session, email: str) -> bool:
    """Whether an address has a second factor that was confirmed."""
    row = session.get(SecondFactor, email)
    return row is not None and row.confirmed_at is not None


def start_setup(context: ServiceContext, email: str) -> FactorSetup:
    """Make a secret for an address, or return the one that waits to be confirmed.

    Raises Refused if a second factor is set up already.
    """
    session = context.session
    stored = factor_cipher(session).encrypt(email, pyotp.random_base32().encode())
    new = SecondFactor(email=email, secret=stored, created_at=context.now)
    # Another browser may have begun, even at the same moment: all show the key of the first.
    upsert(session, SecondFactor, [new.model_dump()], key=("email",))
    row = session.get_one(SecondFactor, email)
    if row.confirmed_at is not None:
        raise Refused(Refusal("code", "second-factor-there"))
    secret = _open_secret(session, row)
    url = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    return FactorSetup(secret, url)


def confirm_setup(context: ServiceContext, email: str, code: str, token: str) -> list[str]:
    """Switch the second factor on with a code from the app; return the recovery codes, once.

    The browser session of ``token`` has had its second factor. Raises Refused for a wrong code.
    """
    row = _get_row(context, email, is_confirmed=False)
    _check_code(context, row, code)
    codes = [secrets.token_hex(_RECOVERY_BYTES) for _ in range(RECOVERY_CODES)]
    row.confirmed_at = context.now
    row.recovery = " ".join(hash_token(each) for each in codes)
    context.session.add(row)
    _mark_session(context, token)
    context.record_change("second_factor", 0, after={"email": email, "state": "on"})
    return codes


def enter_code(context: ServiceContext, email: str, code: str, token: str) -> Refusal | None:
    """Let the browser session of ``token`` open the desk; or why the code does not.

    It does not raise, because a wrong code is counted, which has to be committed.
    """
    try:
        row = _get_row(context, email, is_confirmed=True)
        _check_code(context, row, code)
    except Refused as refused:
        return refused.refusals[0]
    _mark_session(context, token)
    return None


def reset_second_factor(context: ServiceContext, email: str) -> bool:
    """Remove the second factor of an address; whether there was one.

    The caller has checked who may: its owner after a code, another coordinator of the
    association, or the operator.
    """
    found = context.session.exec(delete(SecondFactor).where(col(SecondFactor.email) == email))
    if not found.rowcount:
        return False
    mine = col(BrowserSession.email) == email
    context.session.exec(update(BrowserSession).where(mine).values(factor_at=None))
    context.record_change("second_factor", 0, before={"email": email, "state": "on"})
    return True


def _get_row(context: ServiceContext, email: str, *, is_confirmed: bool) -> SecondFactor:
    """The row, locked: of codes that are entered at once, each finds what became of the others."""
    row = context.session.get(SecondFactor, email, populate_existing=True, with_for_update=True)
    if row is None or (row.confirmed_at is not None) != is_confirmed:
        raise Refused(Refusal("code", "second-factor-wrong"))
    return row


def _open_secret(session: Session, row: SecondFactor) -> str:
    secret = factor_cipher(session).decrypt(row.email, row.secret)
    if secret is None:
        raise Refused(Refusal("code", "second-factor-lost"))
    return secret.decode()


def _check_code(context: ServiceContext, row: SecondFactor, typed: str) -> None:
    """Use a code up. Raises Refused for a wrong or used one, and during a pause."""
    now, code = context.now, typed.replace(" ", "").replace("-", "").lower()
    if row.wrong_at is not None and row.wrong_at <= now - PAUSE:
        row.wrong_codes = 0
    if row.wrong_codes >= MAX_WRONG:
        raise Refused(Refusal("code", "second-factor-paused"))
    step = _find_step(context.session, row, code, now)
    if step is not None:
        row.last_step, row.wrong_codes = step, 0
    elif hash_token(code) in row.recovery.split():
        left = [each for each in row.recovery.split() if each != hash_token(code)]
        row.recovery, row.wrong_codes = " ".join(left), 0
        context.record_change("second_factor", 0, after={"recovery_codes_left": len(left)})
    else:
        row.wrong_codes, row.wrong_at = row.wrong_codes + 1, now
    context.session.add(row)
    context.session.flush()
    if row.wrong_codes:
        raise Refused(Refusal("code", "second-factor-wrong"))


def _find_step(session: Session, row: SecondFactor, code: str, now: datetime) -> int | None:
    """The time step whose code it is, after the last used one; None if there is none."""
    totp = pyotp.TOTP(_open_secret(session, row))
    present = int(now.timestamp()) // _STEP_SECONDS
    # As text, `compare_digest` would take nothing but ASCII.
    typed = code.encode(errors="surrogatepass")
    for step in range(present - _STEPS_AROUND, present + _STEPS_AROUND + 1):
        is_same = hmac.compare_digest(totp.generate_otp(step).encode(), typed)
        if step > row.last_step and is_same:
            return step
    return None


def _mark_session(context: ServiceContext, token: str) -> None:
    mine = col(BrowserSession.token_hash) == hash_token(token)
    context.session.exec(update(BrowserSession).where(mine).values(factor_at=context.now))
    context.session.flush()
