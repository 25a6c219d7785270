"""Ticks of a process that stays go on, whatever happens to the machine's clock."""

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo

import apscheduler.schedulers.base
import pytest

from tests.jobs.test_embedded import until
from tracker import clock
from tracker.jobs import repeating as repeating_module
from tracker.jobs.repeating import Repeated, repeating


class MachineClock(datetime):
    """The clock that APScheduler reads; ``moved`` is how far it was set."""

    moved = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.moved


@pytest.mark.parametrize("days", [-1, 1_000])
def test_ticks_go_on_after_the_clock_was_set(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating_module, "_WATCH_SECONDS", 0.05)
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", MachineClock)
    monkeypatch.setattr(clock, "now", lambda: MachineClock.now(UTC))
    monkeypatch.setattr(MachineClock, "moved", timedelta())
    ticks: list[datetime] = []

    async def tick() -> None:
        ticks.append(clock.now())

    async def run() -> None:
        async with repeating(Repeated("ticks", 0.01, tick)):
            await until(lambda: len(ticks) > 2)
            monkeypatch.setattr(MachineClock, "moved", timedelta(days=days))
            ticks.clear()
            async with asyncio.timeout(10):
                await until(lambda: len(ticks) > 2)

    asyncio.run(run())
