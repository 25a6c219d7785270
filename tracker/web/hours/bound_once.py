"""Forms whose fields are put together once: to bind sixteen of them costs more than to save."""

from typing import Any

from wtforms.meta import DefaultMeta

# As they were bound first, without the form that they belong to.
_BOUND: dict[Any, Any] = {}


class BoundOnce(DefaultMeta):  # type: ignore[misc]  # wtforms ships no types
    """The Meta class of a form whose fields differ between two of it only in what is typed."""

    def bind_field(self, form: Any, unbound_field: Any, options: Any) -> Any:  # noqa: ANN401
        """The field as it was bound first, of this form; ``options`` never differ."""
        first = _BOUND.get(unbound_field)
        if first is None:
            first = _BOUND[unbound_field] = super().bind_field(form, unbound_field, options)
            first._form = None  # noqa: SLF001 - wtforms sets it itself, and nothing else
        # Its own constructor would do all of it again.
        field = object.__new__(type(first))
        field.__dict__.update(first.__dict__, _form=form)
        return field
