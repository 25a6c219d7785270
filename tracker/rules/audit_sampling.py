"""Draws renewals for an audit so that anyone can redo the draw. Pure.

The method is RFC 3797, "Publicly Verifiable Nominations Committee (NomCom) Random Selection". The
frame is the list of renewals that can be drawn; it is hashed, and the seed is fixed, before
anything is drawn. Each category is drawn by itself, with the same seed and its own name.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

_PERCENT = 100
# RFC 3797 numbers the selections with two bytes.
MOST_DRAWN = 2**16


class Quota(StrEnum):
    """How many renewals of a category are drawn: a share in percent, or a number."""

    SHARE = "share"
    NUMBER = "number"


class FrameLine(NamedTuple):
    """One renewal that can be drawn, as a line of the frame: "IFS 17 2025-01-01"."""

    category: str
    endorsement_id: int
    cycle_starts_on: date

    def __str__(self) -> str:
        return f"{self.category} {self.endorsement_id} {self.cycle_starts_on.isoformat()}"


class Stratum(NamedTuple):
    """A category of a frame: how many renewals it has, and how many of them are drawn."""

    category: str
    size: int
    to_draw: int


def format_frame(lines: Collection[FrameLine]) -> str:
    """The text of a frame, which is hashed: sorted lines, each with a newline at its end."""
    return "".join(f"{line}\n" for line in sorted(lines))


def parse_frame(text: str) -> list[FrameLine]:
    """The lines of a frame from its text, in order."""
    parts = [line.rsplit(" ", 2) for line in text.splitlines()]
    return [FrameLine(name, int(number), date.fromisoformat(day)) for name, number, day in parts]


def hash_frame(text: str) -> str:
    """The SHA-256 of a frame's text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def plan_strata(lines: Sequence[FrameLine], quota: Quota, amount: int) -> list[Stratum]:
    """How many of each category are drawn; ``amount`` is in percent for a share.

    A share is rounded up, and no category is drawn from more than it has. ``lines`` are in order.
    """
    strata = []
    for category, group in groupby(lines, lambda line: line.category):
        size = len(list(group))
        count = -(-size * amount // _PERCENT) if quota is Quota.SHARE else amount
        strata.append(Stratum(category, size, min(count, size, MOST_DRAWN)))
    return strata


def draw(lines: Sequence[FrameLine], strata: Sequence[Stratum], seed: str) -> list[FrameLine]:
    """The drawn renewals, category by category, each in the order in which they were drawn."""
    drawn = []
    for stratum in strata:
        pool = [line for line in lines if line.category == stratum.category]
        positions = select_positions(key_of(seed, stratum.category), len(pool), stratum.to_draw)
        drawn += [pool[position] for position in positions]
    return drawn


def key_of(seed: str, category: str) -> str:
    """The key string of RFC 3797 (section 4): each source with a slash after it."""
    return f"{seed}/{category}/"


def select_positions(key: str, pool_size: int, count: int) -> list[int]:
    """Select ``count`` of the positions 0 to ``pool_size`` - 1, in order of selection.

    RFC 3797, section 4: the MD5 digest of the key string between two copies of the selection's
    number (two bytes, from 0) is divided by how many positions are left; the remainder counts
    through those. The digest spreads the seed, which is public; it keeps nothing secret.
    """
    left, selected = list(range(pool_size)), []
    for number in range(count):
        counter = number.to_bytes(2, "big")
        text = counter + key.encode() + counter
        digest = hashlib.md5(text, usedforsecurity=False).digest()
        selected.append(left.pop(int.from_bytes(digest, "big") % len(left)))
    return selected
