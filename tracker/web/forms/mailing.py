"""The form of a mailing: for whom it is, its template, and its words."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import FormData

from tracker.notifications.mailing_text import TEMPLATES
from tracker.services.mailing_recipients import Audience, AudienceFilter
from tracker.services.mailing_rules import MailingTemplate
from tracker.services.mailings import MailingInput, format_ids, parse_ids
from tracker.web.forms.body import clean, clean_lines, keep_form_key, text_of

_FILTER = AudienceFilter._fields


def parse_template(text: str) -> MailingTemplate:
    """The template that an address or a button names; the reminder for anything else."""
    known = {template.value: template for template in MailingTemplate}
    return known.get(text, MailingTemplate.REMINDER)


@dataclass(frozen=True, slots=True)
class MailingForm:
    """What is typed, and the filter that chose the people (None: they were chosen elsewhere).

    ``sought`` is part of the name or address of the person for whom to show the mail.
    ``audience`` is what the filter leaves, if that was read already.
    """

    typed: MailingInput
    chosen: AudienceFilter | None = None
    sought: str = ""
    audience: Audience | None = None

    @classmethod
    def parse(cls, form: FormData, association: str) -> "MailingForm":
        """The form as it was sent, whatever is wrong with it."""
        typed = MailingInput(
            association,
            parse_template(text_of(form, "template")),
            clean(text_of(form, "subject")),
            clean_lines(text_of(form, "text")),
            clean(text_of(form, "audience")),
            parse_ids(text_of(form, "to")),
            keep_form_key(text_of(form, "form_key")),
        )
        chosen = None
        if "state" in form:
            chosen = AudienceFilter(*(clean(text_of(form, name)) for name in _FILTER))
        return cls(typed, chosen, clean(text_of(form, "find")))

    @classmethod
    def begin(
        cls,
        association: str,
        template: MailingTemplate,
        people: tuple[str, tuple[int, ...]],
        chosen: AudienceFilter | None = None,
    ) -> "MailingForm":
        """A new form for people (a description, and their ids), with the template's own words."""
        audience, person_ids = people
        words = TEMPLATES[template]
        typed = MailingInput(
            association, template, words.subject, words.text, audience, person_ids, keep_form_key()
        )
        return cls(typed, chosen)

    def with_template(self, template: MailingTemplate) -> "MailingForm":
        """The form with another template; words that were typed stay."""
        typed, before, words = self.typed, TEMPLATES[self.typed.template], TEMPLATES[template]
        if typed.subject == before.subject:
            typed = typed._replace(subject=words.subject)
        if typed.text == before.text:
            typed = typed._replace(text=words.text)
        return MailingForm(typed._replace(template=template), self.chosen)

    @property
    def to(self) -> str:
        """The people, as the form sends them."""
        return format_ids(self.typed.person_ids)

    @property
    def query(self) -> str:
        """The filter as a part of an address; empty without one."""
        return f"&{urlencode(self.chosen._asdict())}" if self.chosen is not None else ""
