"""Evaluation and a night, beside their floor, and how both grow with the number of endorsees."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.engine import make_url

from tests.bench.measuring import Figure, Hold, heading, measure, say, say_growth, write
from tests.bench.work import explain

_MODULE = "tests.bench.work"
_EVALUATE = Hold(most=1.5, megabytes=128)
_NIGHT = Hold(most=0.05, megabytes=128)
_PEER = "ORM with selectinload 1,600/s, N+1 670/s"
_NIGHTS = 3


class _Sizes(NamedTuple):
    evaluated: Figure
    night: Figure


def measure_evaluation(urls: Sequence[tuple[int, str]]) -> None:
    """Fill each database with so many endorsees, and print its figures, then the growth."""
    found = [_measure_size(url, endorsees) for endorsees, url in urls]
    write("")
    say_growth("evaluate all", [each.evaluated for each in found])
    say_growth("a night in which 1 % changed", [each.night for each in found])


def _measure_size(url: str, endorsees: int) -> _Sizes:
    name = make_url(url).get_backend_name()
    heading(f"{name}: {endorsees:,} endorsees with 20 entries each")
    measure(_MODULE, "fill", url, str(endorsees), runs=1)
    say("first night: all judged and stored", measure(_MODULE, "night", url, runs=1))
    least = measure(_MODULE, "least", url)
    say("the floor: one GROUP BY over the entries alone", least)
    write(f"    {explain(url)}")
    bare = measure(_MODULE, "bare", url)
    say("the sums by hand, over all tables", bare, floor=least)
    evaluated = measure(_MODULE, "evaluate", url)
    say("evaluate all", evaluated, floor=least, hold=_EVALUATE, peer=_PEER)
    say("evaluate all, beside the sums by hand", evaluated, floor=bare, hold=_EVALUATE)
    # As many endorsees as there are: a hundredth of them is judged.
    night = min(_measure_night(url) for _ in range(_NIGHTS))._replace(done=evaluated.done)
    say("a night in which 1 % changed", night, floor=evaluated, hold=_NIGHT)
    return _Sizes(evaluated, night)


def _measure_night(url: str) -> Figure:
    measure(_MODULE, "touch", url, runs=1)
    return measure(_MODULE, "night", url, runs=1)
