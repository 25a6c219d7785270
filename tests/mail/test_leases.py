"""Several senders at one outbox: the living are not robbed, the dead are taken up."""

import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from tests.mail.conftest import NOON, Post
from tests.mail.sink import Sink
from tracker import clock
from tracker.mail import delivery as marking
from tracker.mail import outbox
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import Settlement, parse_server

PEOPLE = [f"person{number}@example.org" for number in range(8)]


def test_a_slow_server_does_not_make_a_living_sender_look_dead(post: Post) -> None:
    """Eight mails take longer than a lease: without renewal the rival would get some."""
    lease = timedelta(seconds=3)
    post.mail = post.mail.model_copy(update={"lease_seconds": 3})
    post.now = clock.now()
    post.put(*PEOPLE)
    with Sink() as sink, ThreadPoolExecutor() as pool:
        sink.delay = 0.12
        work = deliver_once(post.engine, parse_server(sink.url), post.mail, clock.now)
        delivery = pool.submit(asyncio.run, work)
        robbed = []
        # A rival that never pauses would keep SQLite's only write lock from the sender.
        while wait([delivery], timeout=0.2).not_done:
            if sink.taken:
                robbed += outbox.claim(post.engine, clock.now(), 100, lease)
        assert delivery.result().sent == len(PEOPLE)
        assert robbed == []
        assert len(sink.taken) == len(PEOPLE)
    assert {row.attempts for row in post.listed()} == {1}


def test_a_sender_whose_lease_ran_out_asks_again_before_it_sends(post: Post) -> None:
    post.put("alice@example.org")
    times = iter([NOON])  # the machine sleeps for an hour, right after the claim
    with Sink() as sink:
        server = parse_server(sink.url)
        later = NOON + timedelta(hours=1)
        work = deliver_once(post.engine, server, post.mail, lambda: next(times, later))
        assert asyncio.run(work).sent == 1
        assert len(sink.taken) == 1
    assert [row.attempts for row in post.listed()] == [2]


def test_many_senders_share_an_outbox_and_send_each_mail_once(post: Post) -> None:
    post.mail = post.mail.model_copy(update={"connections": 2})
    post.put(*(f"person{number}@example.org" for number in range(300)))
    with Sink() as sink, ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(post.deliver, [sink.url] * 4))
        assert len(sink.taken) == len(set(sink.taken)) == 300
    assert sum(report.sent for report in reports) == 300


def test_a_sender_that_is_told_to_stop_frees_what_it_holds(post: Post) -> None:
    post.put(*PEOPLE)
    with Sink() as sink:
        stop = asyncio.Event()
        stop.set()
        report = post.deliver(sink.url, stop)
        assert (report.sent, report.problems, sink.commands) == (0, (), [])
    assert set(post.states()) == {"waiting"}


def test_a_mail_whose_mark_was_lost_comes_again_with_the_same_bytes(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_engine: object, _settlements: list[Settlement]) -> None:
        raise OperationalError("COMMIT", None, Exception("disk full"))

    post.put("alice@example.org")
    with Sink() as sink:
        with monkeypatch.context() as patch:
            patch.setattr(marking, "write", fail)
            with pytest.raises(OperationalError, match="disk full"):
                post.deliver(sink.url)
        assert post.states() == ["sending"]
        assert post.deliver(sink.url).sent == 0  # the lease has not run out
        post.pass_time(minutes=6)
        assert post.deliver(sink.url).sent == 1
        assert len(sink.taken) == 2
        assert len(set(sink.taken)) == 1
