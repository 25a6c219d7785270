"""Writing down what became of messages, many in one transaction, while others are being sent."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Engine

from tracker.clock import stopwatch
from tracker.mail.outcomes import Fate, Settlement
from tracker.records.mailing import outbox
from tracker.records.store.engine import writing

_MOST_PATIENCE = 0.02  # seconds


class Marker:
    """Commits settlements in the order in which they come; those that come meanwhile together.

    A commit to disk takes a millisecond or more, so that one for each message would be slow;
    waiting for a large batch would repeat the whole batch after a crash. Here every connection
    has at the most one message that is sent and not yet marked, and they share commits.

    ``senders`` is how many connections may still come with one.
    """

    def __init__(self, engine: Engine, senders: int) -> None:
        self.senders = senders
        self._engine = engine
        self._complete = asyncio.Event()
        self._patience = 0.0
        self._pending: list[tuple[Settlement, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def settle(self, settlement: Settlement) -> asyncio.Future[None]:
        """Have it written; the future is done once it is committed, or holds the error."""
        future = asyncio.get_running_loop().create_future()
        self._pending.append((settlement, future))
        if len(self._pending) >= self.senders:
            self._complete.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return future

    async def _write_all(self) -> None:
        while self._pending:
            await self._wait_for_company()
            batch, self._pending = self._pending, []
            started = stopwatch()
            try:
                await asyncio.to_thread(write, self._engine, [item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                _finish(batch, error)
            else:
                _finish(batch, None)
            self._patience = min(stopwatch() - started, _MOST_PATIENCE)

    async def _wait_for_company(self) -> None:
        """Let every sender get on board, for no longer than the last commit took.

        Without it the senders fall into two halves that wait for each other's commits.
        """
        self._complete.clear()
        if len(self._pending) < self.senders:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), self._patience)


def _finish(
    batch: Sequence[tuple[Settlement, asyncio.Future[None]]], error: Exception | None
) -> None:
    for _, future in batch:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def write(engine: Engine, settlements: Sequence[Settlement]) -> None:
    """Write the settlements in one transaction; a message that is no longer ours is left alone."""
    sent = [item for item in settlements if item.fate is Fate.SENT]
    with writing(engine) as connection:
        if sent:
            outbox.mark_sent(connection, [item.message for item in sent], sent[0].at)
        for item in settlements:
            if item.next_attempt_at is not None:
                until, reason = item.next_attempt_at, item.reason
                outbox.mark_retry(connection, [item.message], until, reason, tried=item.tried)
            elif item.fate is not Fate.SENT:
                refused = item.fate is Fate.RECIPIENT_REFUSED
                message, reason = item.message, item.reason
                outbox.mark_failed(connection, message, item.at, reason, recipient_refused=refused)
