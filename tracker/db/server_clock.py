"""The time by the database server: one clock for all machines that work on one database."""

from datetime import datetime

from sqlalchemy import Engine, text

from tracker import clock


class ServerClock:
    """The database server's time, by the machine's own until it is read again.

    Leases compare instants of several machines. If one machine's clock is wrong, it would take
    over what another is sending, or find tomorrow's jobs due.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = clock.ReferenceClock()
        self.read_server()

    def __call__(self) -> datetime:
        """The present instant: aware, in UTC."""
        return self._clock.now()

    def read_server(self) -> None:
        """Set it by the server's clock, which is read in the middle of the time it takes to ask."""
        with self._engine.connect() as connection:
            asked = clock.uptime()
            reference = connection.execute(_SERVER_TIME).scalar_one()
            self._clock.set(reference, (asked + clock.uptime()) / 2)


_SERVER_TIME = text("SELECT clock_timestamp()")
