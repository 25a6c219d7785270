"""Words for what is wrong with a setting, instead of pydantic's, which are for programmers."""

from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no setting. config/README.md has a list of them",
    **dict.fromkeys(["int_parsing", "int_type", "int_from_float"], "must be a whole number"),
    **dict.fromkeys(["bool_parsing", "bool_type"], "must be true or false"),
    "string_type": "must be text in quotes",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    **dict.fromkeys(["dict_type", "model_type", "model_attributes_type"], "must be a table"),
}


def explain_setting(details: ErrorDetails) -> str:
    """What would be right, as the end of a sentence that begins with the place."""
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    return _WORDS.get(details["type"], details["msg"].replace("Input should be", "must be"))
