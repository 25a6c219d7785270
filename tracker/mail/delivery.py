"""Sends what waits in the outbox over several connections, and records what came of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ssl import SSLContext

from sqlalchemy import Engine

from tracker.clock import stopwatch
from tracker.db.engine import reading, writing
from tracker.mail import outbox
from tracker.mail.outbox import Claimed
from tracker.mail.return_paths import ReturnPaths, open_return_paths
from tracker.mail.smtp_connection import (
    Connection,
    Fate,
    Server,
    ServerFaultError,
    Settlement,
    put_back,
    settle,
)
from tracker.services.maintenance import find_maintenance
from tracker.settings import Mail

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
            # Let every sender get on board, for no longer than the last commit took. Without it
            # the senders fall into two halves that wait for each other's commits.
            self._complete.clear()
            if len(self._pending) < self.senders:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._complete.wait(), self._patience)
            batch, self._pending = self._pending, []
            started = stopwatch()
            try:
                await asyncio.to_thread(write, self._engine, [item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - passed on to the waiting callers
                for _, future in batch:
                    if not future.cancelled():
                        future.set_exception(error)
            else:
                for _, future in batch:
                    if not future.cancelled():
                        future.set_result(None)
            self._patience = min(stopwatch() - started, _MOST_PATIENCE)


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


CLAIM = 200  # messages at a time; two megabytes
_FAULTS = 3  # connections broken in a row, until a sender thinks that the server is not well


# Settles what may not leave in the outbox itself, and returns what may.
Recheck = Callable[[Sequence[Claimed], datetime], Sequence[Claimed]]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one emptying of the outbox came to, in messages.

    ``retried`` ones wait for another attempt; ``problems`` are the server's, each told once;
    ``unreachable`` says that no connection to it could be used at all; ``held_back`` ones were
    dropped as no longer true, or could not be checked.
    """

    sent: int
    retried: int
    failed: int
    problems: tuple[str, ...] = ()
    unreachable: bool = False
    held_back: int = 0


async def deliver_once(
    engine: Engine,
    server: Server,
    mail: Mail,
    now: Callable[[], datetime],
    stop: asyncio.Event | None = None,
    recheck: Recheck | None = None,
    *,
    claims: int | None = None,
) -> DeliveryReport:
    """Send until nothing in the outbox is due, or ``stop`` is set; database work is in threads.

    In maintenance everything waits: what is claimed already leaves, and nothing more.
    ``recheck`` looks at each message once more before it leaves. ``claims`` are the batches of
    `CLAIM` messages that it takes at most (None: all that is due).

    Any number of processes may do this at once. Raises ServerAddressError for a CA file that
    cannot be read, and the database's own errors; what was being sent is then taken up again when
    its lease ends.
    """
    context = await asyncio.to_thread(server.tls_context)
    stop = stop or asyncio.Event()
    delivery = _Delivery(engine, server, context, mail, now, stop, recheck, claims)
    return await delivery.run()


@dataclass
class _Delivery:
    """One emptying of the outbox, shared by the connections that work at it."""

    engine: Engine
    server: Server
    context: SSLContext | None
    mail: Mail
    now: Callable[[], datetime]
    stop: asyncio.Event
    recheck: Recheck | None
    claims_left: int | None

    def __post_init__(self) -> None:
        self._lease = timedelta(seconds=self.mail.lease_seconds)
        self._give_up_after = timedelta(hours=self.mail.give_up_after_hours)
        self._marker = Marker(self.engine, self.mail.connections)
        self._claiming = asyncio.Lock()
        self._ready: deque[Claimed] = deque()
        self._held: dict[int, Claimed] = {}
        self._totals = dict.fromkeys(Fate, 0)
        self._troubles: list[ServerFaultError] = []
        self._connected = False
        self._held_back = 0
        self._return_paths: ReturnPaths | None = None
        # What is written later, instead of a dropped message, needs no check.
        self._checked_until = self.now() if self.recheck else None

    async def run(self) -> DeliveryReport:
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep_leases())
                senders = [group.create_task(self._send()) for _ in range(self.mail.connections)]
                await asyncio.wait(senders)
                keeper.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        # What was claimed and not tried is freed, so that nobody has to wait for the leases.
        stopped = ServerFaultError("stopped before it was tried", configuration=True)
        trouble, now = next(iter(self._troubles), stopped), self.now()
        rest = [put_back(message, trouble, now, self._give_up_after) for message in self._ready]
        for settlement in rest:
            self._totals[settlement.fate] += 1
        await asyncio.to_thread(write, self.engine, rest)
        return DeliveryReport(
            sent=self._totals[Fate.SENT],
            retried=self._totals[Fate.AGAIN],
            failed=self._totals[Fate.REFUSED] + self._totals[Fate.RECIPIENT_REFUSED],
            problems=tuple(dict.fromkeys(str(trouble) for trouble in self._troubles)),
            unreachable=bool(self._troubles) and not self._connected,
            held_back=self._held_back,
        )

    async def _send(self) -> None:
        connection = Connection(self.server, self.context, self.mail)
        connection.return_path = self._find_return_path
        try:
            await self._send_over(connection)
        except ServerFaultError as trouble:
            self._troubles.append(trouble)
        finally:
            self._marker.senders -= 1
            await connection.close()

    async def _send_over(self, connection: Connection) -> None:
        marked: asyncio.Future[None] | None = None
        faults = 0

        async def last_is_marked() -> None:
            if marked is not None:
                await marked

        while faults < _FAULTS and (message := await self._next()) is not None:
            try:
                if not connection.is_open:
                    await connection.open()
                self._connected = True
                outcome = await connection.send(message, last_is_marked)
            except ServerFaultError:
                self._ready.appendleft(message)  # another connection may have more luck
                await last_is_marked()
                raise
            await last_is_marked()
            settlement = settle(message, outcome, self.now(), self._give_up_after)
            self._held.pop(message.id, None)
            self._totals[settlement.fate] += 1
            marked = self._marker.settle(settlement)
            faults = faults + 1 if outcome.broken else 0
        await last_is_marked()
        if faults:
            reason = f"the mail server {self.server}: {outcome.reason}"
            self._troubles.append(ServerFaultError(reason, configuration=False))

    async def _next(self) -> Claimed | None:
        """The next message to send, while its lease holds; None when there is none."""
        async with self._claiming:
            while not self.stop.is_set():
                if not self._ready:
                    if not await asyncio.to_thread(self._claim):
                        return None
                    continue
                message = self._ready.popleft()
                held = self._held.get(message.id)
                if held is not None and self.now() < held.lease_until:
                    return message
                # The lease ran out (the machine slept, perhaps): by now it may be another's.
                self._held.pop(message.id, None)
        return None

    def _find_return_path(self, message: Claimed) -> str | None:
        """The envelope sender of a message; None for the address in its From."""
        paths = self._return_paths
        return paths.create(message.id, message.message_id) if paths else None

    def _claim(self) -> bool:
        """Claim the next messages and check them once more; whether there were any."""
        if not self._may_claim():
            return False
        claimed = outbox.claim(self.engine, self.now(), CLAIM, self._lease)
        if claimed and self._return_paths is None:
            self._return_paths = open_return_paths(self.engine, self.mail.bounces)
        checked = self._check_again(claimed)
        self._held_back += len(claimed) - len(checked)
        self._held.update((message.id, message) for message in checked)
        self._ready.extend(checked)
        return bool(claimed)

    def _check_again(self, claimed: list[Claimed]) -> list[Claimed]:
        """Those that may leave: what is older than this delivery is looked at once more."""
        if not self.recheck or not self._checked_until:
            return claimed
        until = self._checked_until
        waited = [message for message in claimed if message.created_at <= until]
        checked = [message for message in claimed if message.created_at > until]
        return [*checked, *self.recheck(waited, self.now())]

    def _may_claim(self) -> bool:
        """Whether a batch is left to claim, which then counts; in maintenance everything waits."""
        with reading(self.engine) as session:
            if find_maintenance(session) is not None:
                return False
        if self.claims_left is not None:
            self.claims_left -= 1
        return self.claims_left is None or self.claims_left >= 0

    async def _keep_leases(self) -> None:
        """Renew what is held, so that a slow server does not make a living sender look dead."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            renewed = await asyncio.to_thread(self._renew, list(self._held.values()))
            for number, until in renewed.items():
                if number in self._held:
                    self._held[number] = self._held[number]._replace(lease_until=until)

    def _renew(self, held: list[Claimed]) -> dict[int, datetime]:
        if not held:
            return {}
        with writing(self.engine) as connection:
            return outbox.renew(connection, held, self.now(), self._lease)
