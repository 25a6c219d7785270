"""What blocks of a rulebook share that begin on a day and rest on a source."""

from pydantic import Field

from tracker.rules.requirement import Day, Key, Source
from tracker.rules.strict_model import StrictModel, check


class DatedBlock(StrictModel):
    """A block of rules that begins on a day, and cites what it rests on."""

    starts_from: Day = Field(alias="from")
    source: Source | None = None
    interpretation: Key | None = None

    @check
    def _is_based_on_something(self) -> None:
        if self.source is None and self.interpretation is None:
            message = "name a source, or the interpretation of a source that says nothing about it"
            raise ValueError(message)
