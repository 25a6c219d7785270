"""Signing in with a link or a code, and the limits of both."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlmodel import Session, select

from tests.support.cast import ALICE, BOB, CAROL, DANA, EVE, NOW, Cast
from tracker.db.access import SignIn, SignInTry
from tracker.db.corrections import FormerEmail
from tracker.db.people import Person
from tracker.services.dead_addresses import mark_address
from tracker.services.email_changes import move_email
from tracker.services.sign_in import (
    CodeProblem,
    RateLimit,
    client_network,
    confirmation_token,
    count_try,
    create_sign_in,
    find_former_owner,
    find_person_by_email,
    find_person_of_link,
    find_wait,
    forget_sign_ins,
    forget_tries,
    format_code,
    generate_token,
    hash_client,
    hash_token,
    is_own_link,
    link_token,
    normalize_email,
    parse_code,
    redeem_code,
    redeem_link,
)

MINUTES = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
Redeem = Callable[[Session, str], str | CodeProblem]


def wrong(code: str) -> str:
    """Another code than this one."""
    return f"{(int(code) + 1) % 10**9:09}"


def get_sign_in(session: Session, token: str) -> SignIn:
    return session.get_one(SignIn, sha256(token.encode()).hexdigest())


def set_second_email(session: Session, cast: Cast, email: str, *owners: str) -> None:
    for owner in owners:
        session.get_one(Person, cast.people[owner]).second_email = email
    session.flush()


# Codes and tokens.


def test_a_token_has_thirty_two_random_bytes() -> None:
    assert len(generate_token()) == 43
    assert generate_token() != generate_token()


def test_any_text_of_a_cookie_has_a_hash() -> None:
    assert hash_token("token") == sha256(b"token").hexdigest()
    assert hash_token("\udc80") != hash_token("\udc81")


def test_a_code_is_shown_in_groups_of_three() -> None:
    assert format_code("123456789") == "123 456 789"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("123456789", "123456789"),
        (" 123 456\N{EN DASH}789\n", "123456789"),
        ("12345678", None),
        ("1234567890", None),
        ("12345678a", None),
        ("123456789" + " " * 91, "123456789"),
        (" " * 92 + "123456789", None),
    ],
)
def test_spaces_and_dashes_of_a_code_do_not_matter(typed: str, code: str | None) -> None:
    assert parse_code(typed) == code


def test_an_address_is_compared_in_lower_case() -> None:
    assert normalize_email(" Alice@Example.org\n") == ALICE
    assert len(normalize_email("a" * 300)) == 254


@pytest.mark.parametrize(("drawn", "code"), [(0, "000000000"), (-1, "999999999")])
def test_a_code_can_be_any_nine_digits(
    session: Session, monkeypatch: pytest.MonkeyPatch, drawn: int, code: str
) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda end: drawn % end)
    assert create_sign_in(session, "token", ALICE, NOW) == code
    assert redeem_code(session, "token", code, NOW) == ALICE


# Whose an address is.


def test_a_first_address_precedes_a_second_one(session: Session, cast: Cast) -> None:
    set_second_email(session, cast, "Office@Example.org", BOB)
    set_second_email(session, cast, BOB, EVE)
    for email, owner in ((BOB, BOB), ("office@example.org", BOB), (EVE, EVE)):
        person = find_person_by_email(session, email)
        assert person is not None
        assert person.email == owner
    assert find_person_by_email(session, "nobody@example.org") is None


def test_a_shared_second_address_is_nobodys(session: Session, cast: Cast) -> None:
    set_second_email(session, cast, "office@example.org", BOB, EVE)
    assert find_person_by_email(session, "office@example.org") is None


def test_a_former_address_names_its_owner(session: Session, cast: Cast) -> None:
    for number, owner in enumerate((BOB, EVE)):
        person = session.get_one(Person, cast.people[owner])
        move_email(session, person, f"new-{number}@example.org", who="operator", now=NOW)
    former = find_former_owner(session, EVE)
    assert former is not None
    assert former.id == cast.people[EVE]
    assert session.exec(select(FormerEmail)).all()
    assert find_former_owner(session, ALICE) is None


def test_a_link_names_its_person(session: Session, cast: Cast) -> None:
    set_second_email(session, cast, "", BOB)
    for token, email in (("alice", ALICE), ("nobody", ""), ("stranger", "x@example.org")):
        create_sign_in(session, token, email, NOW)
    redeem_link(session, "alice", NOW)
    assert find_person_of_link(session, "alice") == cast.people[ALICE]
    for token in ("nobody", "stranger", "unknown"):
        assert find_person_of_link(session, token) is None


# Using up a link or a code.


def redeem_right_code(session: Session, email: str) -> str | CodeProblem:
    code = create_sign_in(session, "token", email, NOW)
    return redeem_code(session, "token", code, NOW)


def redeem_right_link(session: Session, email: str) -> str | CodeProblem:
    create_sign_in(session, "token", email, NOW)
    return redeem_link(session, "token", NOW)


@pytest.mark.parametrize("redeem", [redeem_right_code, redeem_right_link])
def test_signing_in_uses_the_sign_in_up(session: Session, cast: Cast, redeem: Redeem) -> None:
    mark_address(session, cast.people[ALICE], ALICE, "no such user", NOW)
    assert redeem(session, ALICE) == ALICE
    sign_in = get_sign_in(session, "token")
    assert (sign_in.used_at, sign_in.created_at, sign_in.wrong_codes) == (NOW, NOW, 0)
    # What arrived shows that the address works.
    session.expire_all()
    assert session.get_one(Person, cast.people[ALICE]).email_refused_at is None
    assert redeem_link(session, "token", NOW) is CodeProblem.USED
    assert redeem_code(session, "token", "123456789", NOW) is CodeProblem.USED


def test_a_sign_in_expires_after_ten_minutes(session: Session) -> None:
    for token in ("early", "late"):
        code = create_sign_in(session, token, ALICE, NOW)
    last = NOW + 10 * MINUTES
    assert redeem_link(session, "early", last - SECOND) == ALICE
    assert redeem_link(session, "late", last) is CodeProblem.EXPIRED
    assert redeem_code(session, "late", code, last) is CodeProblem.EXPIRED
    assert redeem_link(session, "unknown", NOW) is CodeProblem.UNKNOWN_LINK
    assert redeem_code(session, "unknown", code, NOW) is CodeProblem.UNKNOWN_LINK


def test_five_wrong_codes_close_a_sign_in(session: Session) -> None:
    code = create_sign_in(session, "token", ALICE, NOW)
    for number in range(1, 6):
        assert redeem_code(session, "token", wrong(code), NOW) is CodeProblem.WRONG
        assert get_sign_in(session, "token").wrong_codes == number
    assert redeem_code(session, "token", code, NOW) is CodeProblem.TOO_MANY_TRIES
    assert redeem_link(session, "token", NOW) is CodeProblem.TOO_MANY_TRIES
    assert get_sign_in(session, "token").used_at is None


def test_no_code_signs_in_an_unknown_address(session: Session) -> None:
    assert redeem_right_code(session, "") is CodeProblem.WRONG
    assert get_sign_in(session, "token").wrong_codes == 1


def test_a_code_fits_its_own_link_only(session: Session) -> None:
    code = create_sign_in(session, "first", ALICE, NOW)
    create_sign_in(session, "second", ALICE, NOW)
    assert redeem_code(session, "second", code, NOW) is CodeProblem.WRONG


def test_a_confirmation_signs_nobody_in(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    code = create_sign_in(session, "token", ALICE, NOW, alice)
    assert redeem_link(session, "token", NOW) is CodeProblem.UNKNOWN_LINK
    for person_id in (None, bob):
        problem = redeem_code(session, "token", code, NOW, person_id)
        assert problem is CodeProblem.UNKNOWN_LINK
    assert redeem_code(session, "token", code, NOW, alice) == ALICE


@pytest.mark.parametrize(
    ("guessed", "minutes", "is_paused"), [(998, 69, False), (999, 69, True), (999, 70, False)]
)
def test_many_wrong_codes_pause_all_codes(
    session: Session, guessed: int, minutes: int, *, is_paused: bool
) -> None:
    for token, wrong_codes in (("first", 500), ("second", guessed - 500)):
        create_sign_in(session, token, "", NOW - minutes * MINUTES)
        session.flush()
        get_sign_in(session, token).wrong_codes = wrong_codes
    assert redeem_right_code(session, ALICE) == (CodeProblem.PAUSED if is_paused else ALICE)
    assert (get_sign_in(session, "token").used_at is None) == is_paused


def test_sign_ins_are_forgotten_after_a_day(session: Session) -> None:
    expires_at = NOW + 10 * MINUTES
    for token, age in (("kept", timedelta(0)), ("older", SECOND), ("oldest", 2 * SECOND)):
        create_sign_in(session, token, ALICE, NOW - age)
    session.flush()
    assert forget_sign_ins(session, expires_at + timedelta(days=1) - SECOND) == 1
    create_sign_in(session, "new", ALICE, expires_at + timedelta(days=1))
    kept = {hash_token("kept"), hash_token("new")}
    assert set(session.exec(select(SignIn.token_hash))) == kept


# The tokens of links.


def test_a_link_belongs_to_the_asking_browser(session: Session) -> None:
    assert not is_own_link(session, "browser", "link")
    link = link_token(session, "browser")
    assert is_own_link(session, "browser", link)
    for browser, token in (("other", link), ("browser", "browser"), ("browser", "\udc80")):
        assert not is_own_link(session, browser, token)
    assert not is_own_link(session, "", link_token(session, ""))


def test_a_confirmation_belongs_to_session_and_ticket(session: Session) -> None:
    tokens = {confirmation_token(session, *pair) for pair in (("a", "b"), ("a", "c"), ("b", "b"))}
    tokens |= {link_token(session, "a:b")}
    assert len(tokens) == 4


# How often a client may try.


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "20010db800010002"),
        ("fe80::1%eth0%1", "fe80000000000000"),
        ("testclient", "testclient"),
        ("proxy%1", "proxy%1"),
    ],
)
def test_a_client_is_an_address_or_ipv6_network(host: str, network: str) -> None:
    assert client_network(host) == network


def test_a_client_waits_until_its_oldest_try_is_old(session: Session) -> None:
    client = RateLimit("192.0.2.1", 2)
    assert find_wait(session, "ask", client, NOW) is None
    for minute in (0, 10):
        assert count_try(session, "ask", client, None, NOW + minute * MINUTES) is None
    now = NOW + 20 * MINUTES
    for _ in range(2):
        assert count_try(session, "ask", client, None, now) == 40 * MINUTES
        assert find_wait(session, "ask", client, now) == 40 * MINUTES
    # Neither another client, another kind of try, nor a higher limit has to wait.
    for kind, other in (
        ("ask", RateLimit("192.0.2.2", 2)),
        ("code", client),
        ("ask", RateLimit("192.0.2.1", 3)),
    ):
        assert find_wait(session, kind, other, now) is None
        assert count_try(session, kind, other, None, now) is None
    assert find_wait(session, "ask", RateLimit("192.0.2.1", 2, 10 * MINUTES), now) is None
    last = RateLimit("192.0.2.1", 3)
    assert find_wait(session, "ask", last, NOW + 60 * MINUTES - SECOND) == SECOND
    assert find_wait(session, "ask", last, NOW + 60 * MINUTES) is None


def test_an_address_has_a_limit_at_all_clients(session: Session) -> None:
    address, client = RateLimit(ALICE, 1), RateLimit("192.0.2.1", 9)
    assert count_try(session, "ask", client, address, NOW) is None
    assert count_try(session, "ask", RateLimit("192.0.2.2", 9), address, NOW) == 60 * MINUTES
    assert count_try(session, "ask", client, RateLimit(CAROL, 1), NOW) is None
    # As a client, the same text is not the address.
    assert count_try(session, "ask", RateLimit(ALICE, 1), None, NOW) is None
    # The longer wait of the two counts.
    client = RateLimit("192.0.2.1", 1, 20 * MINUTES)
    assert count_try(session, "ask", client, address, NOW) == 60 * MINUTES
    longer = RateLimit("192.0.2.1", 1, 2 * 60 * MINUTES)
    assert count_try(session, "ask", longer, address, NOW) == 2 * 60 * MINUTES
    tries = session.exec(select(SignInTry.kind, SignInTry.at)).all()
    assert tries == [("ask", NOW)] * 3


def test_tries_are_forgotten_after_a_day(session: Session) -> None:
    for age in (0, 1, 2):
        client = RateLimit(f"client {age}", 1)
        count_try(session, "verify", client, RateLimit(DANA, 9), NOW - age * SECOND)
    day = timedelta(days=1)
    assert forget_tries(session, NOW + day - SECOND) == 1
    count_try(session, "verify", RateLimit("new", 1), None, NOW + day)
    assert sorted(session.exec(select(SignInTry.at))) == [NOW, NOW + day]


def test_a_client_is_stored_as_a_keyed_hash(session: Session) -> None:
    hashes = {hash_client(session, network) for network in ("192.0.2.1", "192.0.2.1", "\udc80")}
    assert len(hashes) == 2
    count_try(session, "ask", RateLimit("192.0.2.1", 1), RateLimit("192.0.2.1", 1), NOW)
    [counted] = session.exec(select(SignInTry)).all()
    assert counted.client_hash == hash_client(session, "192.0.2.1")
    assert counted.address_hash not in hashes | {None}
    assert sha256(b"client:192.0.2.1").hexdigest() not in hashes
    count_try(session, "code", RateLimit("192.0.2.1", 1), None, NOW)
    by_client = session.exec(select(SignInTry.address_hash).where(SignInTry.kind == "code"))
    assert by_client.all() == [None]
