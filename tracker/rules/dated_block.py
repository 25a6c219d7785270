"""What blocks of a rulebook share that begin on a day and rest on a source."""

from typing import Self

from pydantic import Field, model_validator

from tracker.rules.requirement import Day, Key, Source, StrictModel


class DatedBlock(StrictModel):
    """A block of rules that begins on a day, and cites what it rests on."""

    starts_from: Day = Field(alias="from")
    source: Source | None = None
    interpretation: Key | None = None

    @model_validator(mode="after")
    def _is_based_on_something(self) -> Self:
        if self.source is None and self.interpretation is None:
            message = "name a source, or the interpretation of a source that says nothing about it"
            raise ValueError(message)
        return self
