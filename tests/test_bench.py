"""The benchmark's own arithmetic: growth, and whether a figure is kept."""

import os
import subprocess
import sys

import pytest

from tests.bench.measuring import Figure, Hold, find_exponent, server_seconds

FLOOR = Figure(1.0, 2.0, 50, 1_000)


def test_time_in_proportion_grows_with_exponent_one() -> None:
    figures = [FLOOR._replace(cpu=n / 1_000, done=n) for n in (1_000, 10_000, 100_000)]
    assert find_exponent(figures) == pytest.approx(1)


def test_time_with_the_square_has_exponent_two() -> None:
    figures = [FLOOR._replace(cpu=n**2, done=n) for n in (1_000, 10_000, 100_000)]
    assert find_exponent(figures) == pytest.approx(2)


@pytest.mark.parametrize(("cpu", "verdict"), [(3.0, "kept"), (3.1, "OVER")])
def test_three_times_the_floor_is_kept(cpu: float, verdict: str) -> None:
    figure = FLOOR._replace(cpu=2 * cpu, done=2_000)  # twice as many things
    assert Hold(most=3).describe(figure, FLOOR) == f"<= 3 x: {verdict}"


@pytest.mark.parametrize(("megabytes", "verdict"), [(128, "kept"), (129, "OVER")])
def test_fast_work_may_use_too_much_memory(megabytes: float, verdict: str) -> None:
    figure = FLOOR._replace(cpu=0.5, megabytes=megabytes)
    described = Hold(least=1.5, megabytes=128).describe(figure, FLOOR)
    assert described == f">= 1.5 x, <= 128 MB: {verdict}"


def test_slow_work_is_over_its_seconds() -> None:
    assert Hold(cpu=0.5).describe(FLOOR, None) == "<= 0.5 s: OVER"


def test_seconds_of_a_server_include_its_ended_processes() -> None:
    before = server_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert server_seconds(os.getpid()) > before
