"""How many visits of public pages one client may make in a minute, in each process.

Kept in memory: a page that anyone may read as often as they like must not write to the database.
"""

from collections import Counter
from datetime import datetime
from threading import Lock

from fastapi import HTTPException

_SECONDS = 60


class VisitLimit:
    """Counts the visits of each client in the current minute; ``most`` are answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._minute = 0
        self._visits = Counter[str]()
        self._lock = Lock()

    def count(self, client: str, now: datetime) -> None:
        """Count a visit at an aware instant; raises a 429 that says how long to wait."""
        minute, second = divmod(int(now.timestamp()), _SECONDS)
        with self._lock:
            if minute != self._minute:
                self._minute, self._visits = minute, Counter()
            self._visits[client] += 1
            is_too_many = self._visits[client] > self._most
        if is_too_many:
            raise HTTPException(429, headers={"Retry-After": str(_SECONDS - second)})
