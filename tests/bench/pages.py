"""Requests a second of My year and of a form that logs hours, beside their floors."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy.engine import make_url

from tests.bench.load import Answers, load
from tests.bench.measuring import write
from tests.bench.stored import lost, wrongly_judged
from tests.bench.visits import (
    CONNECTIONS,
    Visitors,
    populate,
    post_requests,
    served,
    year_requests,
)
from tracker.db.migrate import migrate

_PEOPLE = 400
_WORKERS = (1, 2)
_WARMING_UP = 10  # one request in so many more, before any is measured
_PAGE, _FORM = 200, 303
_ROUNDS = 3


class _Holds(NamedTuple):
    """At least so much of the floor's rate, at most so many milliseconds (None: any)."""

    share: float
    slowest: float | None = None


_POST = _Holds(0.25, 150)
_POST_PEER = "SQLModel in threads 380/s, p99 1.3 s"
_YEAR = _Holds(0.3)


def measure_pages(urls: Iterator[str], requests: int) -> None:
    """Measure with one worker and with two, each beside its floors, on a database each."""
    for workers in _WORKERS:
        url = next(urls)
        name = make_url(url).get_backend_name()
        migrate(url)
        visitors = populate(url, _PEOPLE)
        processes = "1 worker" if workers == 1 else f"{workers} workers"
        write(f"\n{name}: pages, {CONNECTIONS} kept connections, {processes}")
        _years(visitors, workers, requests)
        _posts(visitors, workers, requests)


def _years(visitors: Visitors, workers: int, requests: int) -> None:
    bare = _median("bare_answer", visitors, workers, year_requests(visitors, requests))
    _say("the floor: the framework's bare answer", bare, _PAGE)
    floor = _median("template_floor", visitors, workers, year_requests(visitors, requests))
    _say("its template, facts there already", floor, _PAGE, floor=bare)
    year = _median("site", visitors, workers, year_requests(visitors, requests))
    _say("My year", year, _PAGE, floor=floor, holds=_YEAR)


def _posts(visitors: Visitors, workers: int, requests: int) -> None:
    floor = _median("form_floor", visitors, workers, post_requests(visitors, requests))
    _say("the floor: a form, nothing stored", floor, _FORM)
    posts = [
        ask("site", visitors, workers, post_requests(visitors, requests, number * requests))
        for number in range(_ROUNDS)
    ]
    median = sorted((after for _, after in posts), key=lambda a: a.rate)[_ROUNDS // 2]
    _say("log hours", median, _FORM, floor=floor, holds=_POST, peer=_POST_PEER)
    answers = [answer for both in posts for answer in both]
    acknowledged = sum(len(answer.locations) for answer in answers)
    gone, wrong = lost(visitors.url, answers), wrongly_judged(visitors.url, [*visitors.tokens])
    write(
        f"    of {acknowledged:,} sessions acknowledged {gone} are not stored; "
        f"{wrong} standings differ from a full evaluation"
    )


def _median(factory: str, visitors: Visitors, workers: int, requests: Sequence[bytes]) -> Answers:
    """The median by rate of some rounds."""
    found = [ask(factory, visitors, workers, requests)[1] for _ in range(_ROUNDS)]
    return sorted(found, key=lambda answers: answers.rate)[_ROUNDS // 2]


def ask(
    factory: str, visitors: Visitors, workers: int, requests: Sequence[bytes]
) -> tuple[Answers, Answers]:
    """Serve an app and put the requests to it: the answers while it warmed up, and measured."""
    warming_up = len(requests) // (_WARMING_UP + 1)
    with served(factory, visitors, workers) as (port, _):
        first = load(port, requests[:warming_up], CONNECTIONS, workers)
        return first, load(port, requests[warming_up:], CONNECTIONS, workers)


def _say(
    name: str,
    answers: Answers,
    status: int,
    *,
    floor: Answers | None = None,
    holds: _Holds | None = None,
    peer: str = "",
) -> None:
    half, most = answers.percentile(0.5), answers.percentile(0.99)
    line = f"  {name:<40}{answers.rate:8,.0f}/s  p50 {half:6.1f} ms  p99 {most:6.1f} ms"
    line += f"  {answers.errors(status)} errors"
    if floor:
        line += f"  {answers.rate / floor.rate:5.2f} x its rate"
    if floor and holds:
        kept = answers.rate / floor.rate >= holds.share and most <= (holds.slowest or most)
        limit = f", p99 {holds.slowest} ms" if holds.slowest else ""
        line += f"  hold >= {holds.share} x{limit}: {'kept' if kept else 'OVER'}"
    if peer:
        line += f"  (peer: {peer})"
    write(line)
