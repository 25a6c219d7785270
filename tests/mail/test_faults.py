"""Every fault of a mail server, at every command: nothing is lost, a refusal is final."""

import asyncio
from contextlib import suppress

import pytest

from tests.mail.conftest import Post, letter
from tests.mail.sink import FAULTS, STAGES, Sink
from tracker.mail.smtp_connection import Connection, parse_server
from tracker.settings import Mail

ALICE, BOB = "alice@example.org", "bob@example.org"
SLOW = ("hang", "slow drip")
AMBIGUOUS = ("EOF", "hang", "slow drip", "garbage")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_loses_nothing_and_a_refusal_is_final(post: Post, stage: str, fault: str) -> None:
    refused = fault == "5xx" and stage in {"MAIL", "RCPT", "DATA", "dot"}
    ambiguous = fault in AMBIGUOUS and stage == "dot"
    post.put(ALICE, BOB)
    with Sink() as sink:
        sink.fault = (stage, fault)
        if fault in SLOW:
            post.wait_for_answers(seconds=0.2)
        report = post.deliver(sink.url)
        assert (report.sent, report.failed) == (0, 2 if refused else 0)
        assert post.states() == ["failed" if refused else "waiting"] * 2
        assert all(row.last_error for row in post.listed())
        assert len(sink.taken) == (2 if ambiguous else 0)

        sink.fault = None
        post.wait_for_answers(seconds=10)
        post.pass_time(hours=2)
        report = post.deliver(sink.url)
        assert (report.sent, report.failed) == (0 if refused else 2, 0)
        assert post.states() == ["failed" if refused else "sent"] * 2
        # Duplicates only after the final dot, and then the same bytes.
        assert len(sink.taken) == (0 if refused else 4 if ambiguous else 2)
        assert len(set(sink.taken)) == (0 if refused else 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_the_end_repeats_nothing(sqlite_post: Post, fault: str) -> None:
    sqlite_post.put(ALICE)
    with Sink() as sink:
        sink.fault = ("QUIT", fault)
        sqlite_post.wait_for_answers(seconds=0.2 if fault in SLOW else 10)
        assert sqlite_post.deliver(sink.url).sent == 1
        sqlite_post.pass_time(hours=2)
        assert sqlite_post.deliver(sink.url).sent == 0
        assert [taken.recipient for taken in sink.taken] == [ALICE]
    assert sqlite_post.states() == ["sent"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_between_two_messages_loses_none(sqlite_post: Post, fault: str) -> None:
    sqlite_post.put(ALICE, BOB)
    with Sink() as sink:
        sink.refuse = frozenset({ALICE})
        sink.fault = ("RSET", fault)
        sqlite_post.wait_for_answers(seconds=0.2 if fault in SLOW else 10)
        sqlite_post.deliver(sink.url)
        sink.fault = None
        sqlite_post.wait_for_answers(seconds=10)
        sqlite_post.pass_time(hours=2)
        sqlite_post.deliver(sink.url)
        assert [taken.recipient for taken in sink.taken] == [BOB]
    assert sqlite_post.states() == ["failed", "sent"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("stage", "offered", "tls"), [("STAR", "STARTTLS", "starttls"), ("AUTH", "AUTH PLAIN", "none")]
)
def test_a_fault_before_the_first_message_keeps_the_mail(
    sqlite_post: Post, stage: str, offered: str, tls: str, fault: str
) -> None:
    sqlite_post.put(ALICE)
    with Sink() as sink:
        sink.answers = {"EHLO": f"250-sink\r\n250 {offered}\r\n".encode()}
        sink.fault = (stage, fault)
        sqlite_post.wait_for_answers(seconds=0.2 if fault in SLOW else 10)
        login = "renewals:secret@" if stage == "AUTH" else ""
        report = sqlite_post.deliver(f"smtp://{login}127.0.0.1:{sink.port}?tls={tls}")
        assert (report.sent, report.failed) == (0, 0)
        assert report.problems
        assert stage in sink.commands
        assert sink.taken == []
        assert sqlite_post.states() == ["waiting"]
        sink.fault = None
        sqlite_post.wait_for_answers(seconds=10)
        sqlite_post.pass_time(hours=2)
        assert sqlite_post.deliver(sink.url).sent == 1


def test_a_message_arrives_byte_for_byte(post: Post) -> None:
    post.put(ALICE)
    with Sink() as sink:
        assert post.deliver(sink.url).sent == 1
        [taken] = sink.taken
    assert taken.recipient == ALICE
    on_the_wire = letter(ALICE).body.removesuffix(b"\r\n").replace(b"\r\n.", b"\r\n..")
    assert taken.content == on_the_wire


def test_one_connection_carries_many_messages(post: Post) -> None:
    post.put(*(f"person{number}@example.org" for number in range(20)))
    with Sink() as sink:
        assert post.deliver(sink.url).sent == 20
        assert sink.commands.count("EHLO") == 1
        assert sink.commands[-1] == "QUIT"


def test_a_refused_recipient_does_not_hold_up_the_next(post: Post) -> None:
    post.put(ALICE, BOB)
    with Sink() as sink:
        sink.refuse = frozenset({ALICE})
        report = post.deliver(sink.url)
        assert sink.commands[:5] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL"]
        assert [taken.recipient for taken in sink.taken] == [BOB]
    assert (report.sent, report.failed) == (1, 1)
    [alice, bob] = post.listed()
    assert (alice.state, alice.last_error) == ("failed", "envelope: 550 5.1.1 no such mailbox")
    assert bob.state == "sent"


def test_nothing_to_send_opens_no_connection(post: Post) -> None:
    with Sink() as sink:
        report = post.deliver(sink.url)
        assert sink.commands == []
    assert (report.sent, report.problems, report.unreachable) == (0, (), False)


def test_a_server_that_is_down_keeps_the_mail_without_counting_an_attempt(post: Post) -> None:
    post.put(ALICE, BOB)
    with Sink() as sink:
        url = sink.url
    report = post.deliver(url)
    assert report.unreachable
    assert "Error connecting" in report.problems[0]
    assert [(row.state, row.attempts) for row in post.listed()] == [("waiting", 0)] * 2
    post.pass_time(minutes=1)
    with Sink() as sink:
        assert post.deliver(sink.url).sent == 2


def test_a_refused_message_is_tried_less_and_less_often_and_given_up_in_the_end(
    post: Post,
) -> None:
    post.put(ALICE)
    pauses = []
    with Sink() as sink:
        sink.fault = ("RCPT", "4xx")
        while post.deliver(sink.url).retried:
            due = post.listed()[0].next_attempt_at
            pauses.append((due - post.now).total_seconds() / 60)
            post.now = due
    assert pauses[:8] == [1, 2, 5, 15, 30, 60, 60, 60]
    [row] = post.listed()
    assert row.state == "failed"
    assert str(row.last_error).startswith("given up after 72 hours; last: envelope: 451")
    assert 72 <= (post.now - row.created_at).total_seconds() / 3600 < 73


def test_a_fault_in_the_configuration_keeps_even_old_mail(post: Post) -> None:
    post.put(ALICE)
    post.pass_time(days=400)
    with Sink() as sink:
        sink.fault = ("greeting", "5xx")
        report = post.deliver(sink.url)
    assert (report.retried, report.unreachable) == (1, True)
    assert post.states() == ["waiting"]


def test_mail_gets_through_the_connections_that_the_server_allows(post: Post) -> None:
    post.mail = post.mail.model_copy(update={"connections": 4})
    post.put(*(f"person{number}@example.org" for number in range(30)))
    with Sink() as sink:
        report = post.deliver(sink.url)
        assert len({taken.message_id for taken in sink.taken}) == len(sink.taken) == 30
    assert report.sent == 30


def test_a_server_that_breaks_again_and_again_is_left_alone(post: Post) -> None:
    post.put(*(f"person{number}@example.org" for number in range(10)))
    with Sink() as sink:
        sink.fault = ("MAIL", "EOF")
        report = post.deliver(sink.url)
        assert sink.commands.count("MAIL") == 3
    assert report.retried == 10
    assert "Unexpected EOF" in report.problems[0]
    assert sorted(row.attempts for row in post.listed()) == [0] * 7 + [1] * 3


@pytest.mark.parametrize("recipient", ["no address", "a@b, c@d", "a@b>\r\nRCPT TO:<c@d"])
def test_what_is_no_address_never_reaches_the_server(post: Post, recipient: str) -> None:
    post.put(recipient)
    with Sink() as sink:
        assert post.deliver(sink.url).failed == 1
        assert sink.commands == ["EHLO", "QUIT"]


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(post: Post) -> None:
    post.put("zoë@example.org", "carol@bücher.example")
    with Sink() as sink:
        report = post.deliver(sink.url)
        assert [taken.recipient for taken in sink.taken] == ["carol@xn--bcher-kva.example"]
    assert (report.sent, report.failed) == (1, 1)
    assert "SMTPUTF8" in str(post.listed()[0].last_error)


def test_a_server_of_the_old_kind_is_greeted_the_old_way(post: Post) -> None:
    post.put(ALICE)
    with Sink() as sink:
        sink.knows_ehlo = False
        assert post.deliver(sink.url).sent == 1
        assert sink.commands[:2] == ["EHLO", "HELO"]


def test_the_ehlo_name_comes_from_the_settings(post: Post) -> None:
    post.mail = post.mail.model_copy(update={"ehlo_name": "hours.nc.example"})
    post.put(ALICE)
    with Sink() as sink:
        assert post.deliver(sink.url).sent == 1
        assert sink.greetings == ["hours.nc.example"]


@pytest.mark.parametrize("verb", ["EHLO", "RCPT"])
def test_a_rejected_ehlo_name_keeps_the_mail(post: Post, verb: str) -> None:
    post.mail = post.mail.model_copy(update={"ehlo_name": "localhost"})
    post.put(ALICE)
    with Sink() as sink:
        rejection = b"504 5.5.2 <localhost>: Helo command rejected: need fully-qualified name\r\n"
        sink.answers = {verb: rejection, "HELO": rejection}
        report = post.deliver(sink.url)
    assert post.states() == ["waiting"]
    [problem] = report.problems
    assert "Helo command rejected" in problem
    assert "the name localhost" in problem
    assert "Set mail.ehlo_name (TRACKER_MAIL__EHLO_NAME)" in problem


def test_a_recipient_called_helo_can_be_refused(post: Post) -> None:
    post.put("helo@example.org")
    with Sink() as sink:
        sink.answers = {"RCPT": b"550 5.1.1 <helo@example.org>: no such mailbox\r\n"}
        assert post.deliver(sink.url).failed == 1


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "QUIT"])
def test_a_connection_given_up_on_is_closed(stage: str) -> None:
    with Sink() as sink:
        sink.fault = (stage, "hang")

        async def give_up() -> bool:
            connection = Connection(
                parse_server(sink.url), None, Mail(sender="renewals@example.org")
            )

            async def visit() -> None:
                try:
                    await connection.open()
                finally:
                    await connection.close()

            visiting = asyncio.create_task(visit())
            assert await asyncio.to_thread(sink.hangs.wait, 5)
            # Once as it works, and once more as it says goodbye.
            for _ in range(2):
                visiting.cancel()
                await asyncio.sleep(0)
            with suppress(asyncio.CancelledError):
                await visiting
            return await asyncio.to_thread(sink.idle.wait, 5)

        assert asyncio.run(give_up())
