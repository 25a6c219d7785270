"""The form of each table in a configuration file: only its own keys, and all errors at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

TableT = TypeVar("TableT", bound=BaseModel)
_MARK = "checks_its_table"


def check(method: Callable[[TableT], None]) -> Callable[[TableT], None]:
    """Mark a method that raises ValueError if the values of its table do not fit together."""
    setattr(method, _MARK, True)
    return method


class StrictModel(BaseModel):
    """A table in which unknown keys are errors: a misspelled rule must not be silently absent.

    Each method marked with `check` is called, so that no error hides another. If values of the
    table are wrong by themselves, only the methods that do without those are called.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="wrap")
    @classmethod
    def _report_all(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401
        errors: list[InitErrorDetails]
        try:
            table = handler(data)
        except ValidationError as error:
            details = error.errors()
            errors = [_describe(each) for each in details]
            # A key that is not known may be any other key, misspelled.
            if isinstance(data, Mapping) and not any(map(_is_unknown_key, details)):
                errors += _list_faults(cls._without_wrong(data, details), data)
        else:
            errors = list(_list_faults(table, data))
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return table

    @classmethod
    def _without_wrong(
        cls, data: Mapping[str, Any], errors: Sequence[ErrorDetails]
    ) -> "StrictModel":
        """A table that lacks the values that have errors, and is not valid therefore."""
        wrong = {details["loc"][0] for details in errors if details["loc"]}
        values, lacking = {}, []
        for name, field in cls.model_fields.items():
            keys = {name, field.alias or name}
            if keys & wrong:
                lacking.append(name)
            for key in keys & data.keys() - wrong:
                form: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
                values[name] = form.validate_python(data[key])
        table = cls.model_construct(**values)
        for name in lacking:
            table.__dict__.pop(name, None)
        return table


def _list_faults(table: BaseModel, data: object) -> Iterator[InitErrorDetails]:
    """What its checks find in a table, which may lack values."""
    methods = [each for form in type(table).__mro__ for each in vars(form).values()]
    for method in methods:
        if not hasattr(method, _MARK):
            continue
        try:
            method(table)
        except ValueError as fault:
            yield InitErrorDetails(type="value_error", input=data, ctx={"error": fault})
        except AttributeError:
            if type(table).model_fields.keys() <= table.__dict__.keys():
                raise


def _describe(details: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(
        type=details["type"],
        loc=details["loc"],
        input=details["input"],
        ctx=details.get("ctx", {}),
    )


def _is_unknown_key(details: ErrorDetails) -> bool:
    return details["type"] == "extra_forbidden" and len(details["loc"]) == 1
