"""The form for a session as somebody sent it: what stands in each field, and what is wrong there.

Nothing is made of it that a page shows until there is a page to show: most forms are saved.
"""

from collections.abc import Mapping

from starlette.datastructures import FormData

from tracker.web.forms.form_parts import clean, is_form_key, new_form_key

# The id of the field that it is about, and the words.
Problem = tuple[str, str]


class Sent:
    """Each field's text, by name, as one line; whatever is absent reads as empty.

    It has a form's key in any case.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self.problems: list[Problem] = []
        if not is_form_key(self["form_key"]):
            self["form_key"] = new_form_key()

    def __getitem__(self, field: str) -> str:
        return self.texts.get(field, "")

    def __setitem__(self, field: str, text: str) -> None:
        self.texts[field] = text

    def refuse(self, field: str, words: str) -> None:
        """Say what is wrong with a field."""
        self.problems.append((field, words))


def sent_in(typed: FormData) -> Sent:
    """What was typed; of a field that was sent twice the first."""
    texts: dict[str, str] = {}
    for field, text in typed.multi_items():
        if field not in texts:
            texts[field] = clean(str(text))
    return Sent(texts)
