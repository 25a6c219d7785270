"""Rules about certificates: who issues and signs them, and since when; and their words. Pure."""

from pydantic import Field, StrictBool, field_validator

from tracker.formatting import format_list
from tracker.rules.dated_block import DatedBlock
from tracker.rules.key_checks import require_end_after_start
from tracker.rules.requirement import Day, Key, Text
from tracker.rules.strict_model import check

# What fits on the page, below and above the name.
_LONGEST_LINE, _LONGEST_WORDING = 100, 300
_WEB = ("https://", "http://")


class CertificateRule(DatedBlock):
    """Certificates of renewals that are accepted on ``from`` or later.

    It holds until the next rule, or through the day ``until``. ``issuer`` is the association's
    legal name, ``signatory`` the person who signs with their ``title``. ``wording`` stands between
    the name and the category. With ``first``, endorsements that begin on ``from`` or later get a
    certificate, too. Only ``categories`` get one (none: all). ``website`` is the association's own.
    """

    until: Day | None = None
    issuer: Text = Field(max_length=_LONGEST_LINE)
    signatory: Text = Field(max_length=_LONGEST_LINE)
    title: Text = Field(max_length=_LONGEST_LINE)
    wording: Text = Field(max_length=_LONGEST_WORDING)
    first: StrictBool = False
    categories: tuple[Key, ...] = ()
    website: Text | None = None

    @field_validator("website")
    @classmethod
    def _is_an_address(cls, website: str | None) -> str | None:
        if website is not None and not website.startswith(_WEB):
            message = f"{website!r} is no address of a website: begin it with https://"
            raise ValueError(message)
        return website

    @check
    def _ends_after_it_starts(self) -> None:
        require_end_after_start(self.starts_from, self.until)


def format_certificate_rule(rule: CertificateRule) -> str:
    """Whom a rule gives certificates, and who issues and signs them, in a sentence."""
    what = "accepted renewals and new endorsements" if rule.first else "accepted renewals"
    whose = f" ({format_list(rule.categories)})" if rule.categories else ""
    return (
        f"Certificates of {what}{whose}, issued by {rule.issuer} and signed by {rule.signatory}, "
        f"{rule.title}"
    )
