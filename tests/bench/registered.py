"""How long sign-in takes for known and for unknown addresses (promise 13, the long form).

`python -m tests.bench.registered [rounds]` asks for a code and types a wrong one, each for a known
and for an unknown address in random order, and prints both distributions. The last figure is the
chance that the known one took longer: 50 % tells nothing, and its error is printed beside it.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

from tests.support.cast import ALICE, fill
from tests.web.client import Visitor, WebClient
from tracker.db.migrate import migrate

ROUNDS = 1000
UNKNOWN = "nobody@example.org"
TITLES = ("milliseconds", "p10", "median", "p90", "p99")
Times = dict[str, list[float]]


def measure(web: WebClient, rounds: int) -> dict[str, Times]:
    """Milliseconds for each address, by what was done."""
    found: dict[str, Times] = {
        what: {ALICE: [], UNKNOWN: []} for what in ("asking", "a wrong code")
    }
    for _ in range(rounds):
        web.pass_time(hours=2)  # no limit is reached
        for email in random.sample((ALICE, UNKNOWN), 2):
            visitor = web.visit()
            asking = _timed(lambda: visitor.post("/sign-in", {"email": email}))  # noqa: B023
            web.settle()
            typing = _timed(lambda: _type(visitor))  # noqa: B023
            found["asking"][email].append(asking)
            found["a wrong code"][email].append(typing)
    return found


def longer(known: list[float], unknown: list[float]) -> tuple[float, float]:
    """How often the known one of a round took longer, and twice the standard error of that."""
    count = len(known)
    share = sum(k > u for k, u in zip(known, unknown, strict=True)) / count
    return share, count**-0.5


def _type(visitor: Visitor) -> None:
    assert visitor.post("/sign-in/code", {"code": "2222-2222"}).status_code == 422


def _timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return (time.perf_counter() - start) * 1000


def _row(name: str, times: list[float]) -> str:
    cuts = quantiles(times, n=100)
    return f"{name:<28}" + "".join(f"{cuts[n - 1]:>9.2f}" for n in (10, 50, 90, 99))


def main(rounds: int) -> None:
    """Measure on a fresh SQLite database and print."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'tracker.db'}"
        migrate(url)
        web = WebClient(fill(url))
        measure(web, 20)
        found = measure(web, rounds)
        web.cast.engine.dispose()
    print(f"{TITLES[0]:<28}" + "".join(f"{title:>9}" for title in TITLES[1:]))
    for what, times in found.items():
        for email, name in ((ALICE, "known"), (UNKNOWN, "unknown")):
            print(_row(f"{what}, {name}", times[email]))
        share, error = longer(times[ALICE], times[UNKNOWN])
        print(f"the known one took longer in {share:.1%} of {rounds} rounds (+/- {error:.1%})\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
