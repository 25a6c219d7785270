"""Requests a second of My year and of a form that logs hours, beside their two floors."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy.engine import make_url

from tests.bench.load import Answers, load
from tests.bench.measuring import heading
from tests.bench.stored import lost, wrongly_judged
from tests.bench.visits import (
    CONNECTIONS,
    Visitors,
    populate,
    post_requests,
    served,
    year_requests,
)
from tracker.db.engine import migrate

_PEOPLE = 400
_WORKERS = (1, 2)
_WARMING_UP = 10  # one request in so many more, before any is measured
_PAGE, _FORM = 200, 303
_ROUNDS = 3


class _Holds(NamedTuple):
    """At least so much of the floor's rate, at most so many milliseconds (None: any)."""

    share: float
    slowest: float | None = None


_POST = {"sqlite": _Holds(0.4, 60), "postgresql": _Holds(0.2)}
_YEAR = _Holds(0.3)


def measure_pages(urls: Iterator[str], requests: int) -> None:
    """Measure with one worker and with two, each beside its floors, on a database each."""
    for workers in _WORKERS:
        url = next(urls)
        name = make_url(url).get_backend_name()
        migrate(url)
        visitors = populate(url, _PEOPLE)
        processes = "1 worker" if workers == 1 else f"{workers} workers"
        heading(f"{name}: pages, {CONNECTIONS} kept connections, {processes}")
        _years(visitors, workers, requests)
        _posts(visitors, workers, requests, _POST[name])


def _years(visitors: Visitors, workers: int, requests: int) -> None:
    floor = _median("template_floor", visitors, workers, year_requests(visitors, requests))
    _say("the floor: a bare template", floor, _PAGE)
    year = _median("site", visitors, workers, year_requests(visitors, requests))
    _say("My year", year, _PAGE, floor=floor, holds=_YEAR)


def _posts(visitors: Visitors, workers: int, requests: int, holds: _Holds) -> None:
    floor = _median("form_floor", visitors, workers, post_requests(visitors, requests))
    _say("the floor: a form, nothing stored", floor, _FORM)
    posts = [
        ask("site", visitors, workers, post_requests(visitors, requests, number * requests))
        for number in range(_ROUNDS)
    ]
    median = sorted((after for _, after in posts), key=lambda a: a.rate)[_ROUNDS // 2]
    _say("log hours", median, _FORM, floor=floor, holds=holds)
    answers = [answer for both in posts for answer in both]
    acknowledged = sum(len(answer.locations) for answer in answers)
    gone, wrong = lost(visitors.url, answers), wrongly_judged(visitors.url, [*visitors.tokens])
    sys.stdout.write(
        f"    of {acknowledged:,} sessions acknowledged {gone} are not stored; "
        f"{wrong} standings differ from a full evaluation\n"
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
) -> None:
    half, most = answers.percentile(0.5), answers.percentile(0.99)
    ratio = f"{answers.rate / floor.rate:5.2f} x floor" if floor else " " * 13
    hold = f"hold {holds.share} x" if holds else ""
    if holds and holds.slowest:
        hold += f", p99 {holds.slowest} ms"
    line = (
        f"  {name:<36}{answers.rate:8,.0f}/s  p50 {half:6.1f} ms  p99 {most:6.1f} ms  "
        f"{answers.errors(status)} errors  {ratio}  {hold}"
    )
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()
