"""An association's own values over those of the installation: one merge for all settings."""

from typing import TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def override(base: Model, own: BaseModel) -> Model:
    """``base`` with the values that ``own`` was given; what it was not given stays.

    ``own`` has the form of ``base``, or of a part of it. Tables within are merged alike; a list
    replaces the whole list.
    """
    values = {}
    for name in own.model_fields_set:
        value = getattr(own, name)
        is_table = isinstance(value, BaseModel)
        values[name] = override(getattr(base, name), value) if is_table else value
    return base.model_copy(update=values)
