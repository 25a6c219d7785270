"""The sentence for each reason to refuse something, for pages, the API, and imports."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from string import Formatter
from typing import Any

from tracker.absence_text import ABSENCE_SENTENCES
from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_alternatives,
    format_count,
    format_cycle_span,
    format_date,
    format_hours_with_unit,
    format_list,
    format_size,
)
from tracker.renewal_refusals import RENEWAL_REFUSALS

Facts = Mapping[str, Any]


class _SentenceFormatter(Formatter):
    """Writes facts as people read them: days by their type, ``{x:hours}`` and ``{x:size}``.

    ``{cycle}`` is the span from ``starts_on`` to ``ends_on``.
    """

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Facts) -> Any:  # noqa: ANN401
        """The fact named ``key``."""
        if key == "cycle":
            return format_cycle_span(kwargs["starts_on"], kwargs["ends_on"])
        return super().get_value(key, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - any fact
        """A fact as text."""
        if format_spec == "hours":
            return format_hours_with_unit(value)
        if format_spec == "size":
            return format_size(value)
        if isinstance(value, list):
            return format_list(value)
        return format_date(value) if isinstance(value, date) else str(value)


def _format_unknown_topic(facts: Facts) -> str:
    refused = f"No requirement counts hours about {facts['topic']}."
    if not facts["allowed"]:
        return f"{refused} Leave the topics empty."
    return f"{refused} Use {format_alternatives(facts['allowed'])}."


def _format_topics_sum(facts: Facts) -> str:
    topics, session = facts["topics"], format_hours_with_unit(facts["minutes"])
    whose = f"{topics[0]} hours" if len(topics) == 1 else "The topic hours together"
    return f"{whose} can't be more than the session's {session}"


def _format_merge_conflict(facts: Facts) -> str:
    kept, other, different = facts["kept"], facts["other"], facts["different"]
    known_by = []
    for name, value in kept.items():
        if name not in different and value and not name.endswith("id"):
            known_by.append(_format_value(value))
    differences = []
    for name in different:
        values = f"{_format_value(kept[name])} and {_format_value(other[name])}"
        differences.append(f"{_COLUMNS.get(name, name.replace('_', ' '))} {values}")
    return (
        f"Both records have this {facts['kind'].replace('_', ' ')} ({', '.join(known_by)}), but "
        f"they differ ({'; '.join(differences)}). Correct or remove one of them first."
    )


def _format_unknown_field(facts: Facts) -> str:
    known = format_alternatives(facts["known"])
    return f"There is no field {facts['name']}. Use {known}"


# What people call a column.
_COLUMNS = {"starts_on": "first day", "ends_on": "last day", "extended_due_on": "due date"}


def _format_value(value: object) -> str:
    if isinstance(value, date):
        return format_date(value)
    return str(value or "none")


# By the code of `services.context.Refusal`, with the refusal's facts in braces.
_SENTENCES: dict[str, str | Callable[[Facts], str]] = {
    "cycle-closed": (
        "{cycle} is closed at {association}: its grace period ended on {grace_ends_on}. If "
        "something must be corrected, contact your {association} coordinator."
    ),
    "cycle-submitted": (
        "The renewal for {cycle} is submitted at {association}, so you can't add or change its "
        "sessions. If something must be corrected, contact your {association} coordinator, who "
        "can return the renewal to you."
    ),
    "entry-of-submitted": "This session belongs to a submitted renewal. Return the renewal first.",
    **RENEWAL_REFUSALS,
    # The list of people
    "nobody-selected": "None of the people you chose is in this list anymore. Choose again.",
    "too-many-selected": "Choose at most {limit} rows at one time. Narrow the list down first.",
    "filter-name-missing": "Enter a name for this filter",
    "filter-name-taken": "You already have a filter named “{name}”. Enter another name.",
    "filter-shows-everyone": "Choose what to show first: this list shows everyone",
    "filter-too-long": "This filter is too long to be saved. Choose less.",
    "too-many-filters": "You can have at most {limit} filters. Delete one that you don't need.",
    "nobody-can": "This can't be done for anyone you chose",
    "same-person": "The same person is listed above",
    "row-gone": "This row is no longer on record",
    "row-without-renewal": "There is no renewal that is due",
    "requirement-not-asked": "This renewal does not ask for it",
    "requirement-met": "It is already met",
    "renewal-met": "The renewal is already complete",
    "mark-missing": "Enter a mark, like “called”",
    "already-marked": "This person already has this mark",
    "not-marked": "This person does not have this mark",
    # Entries
    "activity-required": "Choose reflective supervision or training",
    "day-in-future": "The session date must be today ({today}) or earlier",
    "day-too-long-ago": "The year must be {first_year} or later",
    "day-is-full": (
        "You have already logged {logged:hours} on {held_on}. A day has only 24 hours. For a "
        "course over several days, log each day."
    ),
    "minutes-out-of-range": (
        "The hours must be more than 0 and at most 24. For a course over several days, log each day"
    ),
    "daily-limit-reached": (
        "You have reached the limit of {limit} sessions in one day. Please continue tomorrow."
    ),
    "title-required": "Enter the title of the training",
    "course-is-no-training": (
        "Only a training can be logged as a course over several days. Log each reflective "
        "supervision session by itself."
    ),
    "provider-required": "Enter the name of the RSC provider",
    "provider-forbidden": "A training has no RSC provider. Leave the provider empty.",
    "provider-twice": "Enter the RSC provider only once, either as a person on file or as a name",
    "provider-is-self": (
        "You can't list yourself as the RSC provider. Enter the name of the person who provided it."
    ),
    "provider-not-offered": (
        "This person is not among your RSC providers. Enter the provider's name instead."
    ),
    "format-forbidden": (
        "Only an RSC session can be individual, group, or peer. Leave the format empty for a "
        "training."
    ),
    "format-unknown": "The format must be individual, group, or peer",
    "topic-unknown": _format_unknown_topic,
    "topic-minutes-required": "The hours about {topic} must be more than 0",
    "topics-exceed-session": _format_topics_sum,
    "form-already-saved": (
        "This form was already saved, as {minutes:hours} on {held_on}. Save again to add a second "
        "session."
    ),
    "entry-logged-again": (
        "The entry was not brought back, because it would count twice: you have logged {title} "
        "({minutes:hours} on {held_on}) since. Delete that one first if it is wrong. If both were "
        "held, log the other one again."
    ),
    "entry-changed-meanwhile": (
        "This entry has changed since you opened it. It is now {minutes:hours} on {held_on}. Save "
        "again to replace it."
    ),
    "person-not-endorsed": (
        "No one with this email address has an endorsement from {association} or has applied for "
        "one"
    ),
    # Files
    "files-not-accepted": "You can't upload files on this site. Save without them.",
    "rulebook-missing": "Choose a rulebook file, or a reading above",
    "rulebook-empty": "The file is empty. Choose the rulebook again.",
    "rulebook-too-large": "The file is larger than {limit:size}. A rulebook is much smaller.",
    "rulebook-not-text": "Byte {byte} of the file is not UTF-8 text. Save the rulebook as UTF-8.",
    "file-empty": "{name} is empty. Choose it again.",
    "file-too-large": "{name} is {size:size}. The limit is {limit_mb} MB per file.",
    "file-type-not-accepted": (
        "{name} is not a PDF, JPEG, PNG, or HEIC file. Save it as one of these first."
    ),
    "file-not-stored": "{name} could not be stored. Save without it now, and add it later.",
    "file-limit-reached": "{name} was not added. An entry can have at most {limit} files.",
    "file-quota-exceeded": (
        "{name} ({size:size}) was not added. You have {left:size} of {quota:size} left, not "
        "counting files from closed cycles. Remove files you no longer need, or save without it."
    ),
    # Membership terms, leave, and extensions
    "ends-before-start": "The last day must be {starts_on} or later",
    "organization-not-accepted": "Choose an organization from the list",
    "membership-too-long": (
        "A term can be at most {years} years long. If it has no last day, choose “For life”."
    ),
    "membership-overlaps": (
        "You already have a {organization} term from {starts_on} to {ends_on}. Terms cannot "
        "overlap: this one can start on {fits_on} or later."
    ),
    "membership-runs-into": (
        "You already have a {organization} term that starts on {starts_on}. Terms cannot overlap: "
        "this one can end on {fits_on} or earlier."
    ),
    "membership-is-for-life": (
        "You already have a {organization} membership for life since {starts_on}. Change that one "
        "if it has a last day."
    ),
    "recorded-membership-overlaps": (
        "There is already a {organization} term from {starts_on} to {ends_on}. Terms cannot "
        "overlap: this one can start on {fits_on} or later."
    ),
    "recorded-membership-runs-into": (
        "There is already a {organization} term that starts on {starts_on}. Terms cannot overlap: "
        "this one can end on {fits_on} or earlier."
    ),
    "recorded-membership-is-for-life": (
        "There is already a {organization} membership for life since {starts_on}"
    ),
    "term-too-long": (
        "That is more than {years} years. Check the year, or leave the last day empty if it is not "
        "known."
    ),
    "term-overlaps": lambda facts: (
        f"{facts['name']} is on record from {format_date(facts['starts_on'])} "
        + (f"to {format_date(facts['ends_on'])}" if facts["ends_on"] else "on")
        + ". Change that one, or enter days that do not overlap it."
    ),
    **ABSENCE_SENTENCES,
    "endorsement-not-yours": "Choose an endorsement",
    "renewal-not-yours": "Choose a renewal",
    "due-date-not-later": "The new due date must be after the current one, {due_on}",
    "due-date-too-late": "The new due date must be {last} or earlier",
    "requirement-not-offered": "Choose a requirement of this renewal",
    "already-waived": "This requirement is already waived for this renewal",
    "cycle-settled": (
        "{cycle} was settled on {settled_on}. Reopen it first, and settle it again afterward."
    ),
    "endorsement-has-ended": "This endorsement ended on {ends_on}. There is nothing to renew.",
    "cycle-not-over": "This cycle can still be completed. It is settled the day after it closes.",
    "nothing-to-settle": "By today's records, there is nothing to renew in this cycle.",
    "request-open": (
        "You already have an open request of this kind. Withdraw it before you send another."
    ),
    "reason-missing": "Enter a short reason",
    "answer-missing": "Enter a reason. It is sent by email.",
    "text-too-long": "Use at most {limit} characters",
    "request-decided": "This request has already been decided or withdrawn",
    "person-unknown": "Nobody has the address {email}. Add the person to people.csv first.",
    "provider-not-waiting": (
        "No session waits for an RSC provider named {name}. `tracker attention` lists the names."
    ),
    # A coordinator's answer to a provider's name
    "name-not-waiting": (
        "No hours wait for this name anymore. Someone may have decided about it already."
    ),
    "provider-choice-missing": "Choose who this is",
    "credential-choice-missing": "Choose vetting, or an endorsement by another association",
    "record-choice-missing": "Choose what qualifies them, or “Nothing to record”",
    "provider-not-known": "Choose a person from the list, or enter a name and an email address",
    "provider-name-missing": "Enter the provider's name",
    "provider-is-endorsee": (
        "The hours are this person's own, and nobody can be their own RSC provider. Choose someone "
        "else."
    ),
    "email-of-someone-else": (
        "{email} is the address of someone with another name. Check the address and the name."
    ),
    "degree-unknown": "Choose a degree from the list",
    "association-missing": "Enter the association that endorsed the provider",
    "endorsement-not-elsewhere": (
        "Add endorsements by {association} on the page of that person. Enter another association "
        "here, or record vetting."
    ),
    "category-unknown": "Choose a category from the list",
    "credential-known": (
        "{name} has this on record already, starting {starts_on}. Enter other days, or leave it "
        "as it is."
    ),
    "credential-follows": "Another record of the same kind starts {starts_on}. Enter a day before",
    "decline-reason-missing": "Enter a short reason. The endorsees see it beside their hours.",
    "reason-has-link": "Enter the reason without a link or an address",
    "registry-removed": (
        "{association} removed you from its registry. Your choice can be saved without it."
    ),
    # Profiles of RSC providers
    "provider-line-has-link": "Use plain text without a link or an email address",
    "email-was-yours": (
        "You have a record here with another address, {present}, which replaced {email}. Sign out, "
        "and sign in with {present}. If you are someone else, ask your association to release "
        "{email}."
    ),
    "email-of-other-person": (
        "{email} is the address of {name}, who is another person here. If both are one person, use "
        "`tracker person merge`."
    ),
    # A person's facts, as coordinators correct them
    "person-name-missing": "Enter the person's full name",
    "no-session-to-link": "No session names this provider anymore, or it is linked already",
    "email-is-first-here": "That is already the person's first address. Enter a different one.",
    "email-is-second-here": "That is already the person's second address",
    "email-is-coordinators": (
        "{email} is a coordinator's address, so it can't be anyone's second address"
    ),
    "email-of-known-person": (
        "{email} is the address of {name}. If both are one person, merge their records instead."
    ),
    "email-was-another": (
        "{email} was the address of another person here. Choose that record, or enter another "
        "address."
    ),
    "first-day-too-late": "{first_day} is too far ahead: the first day can be {last} or earlier",
    "first-day-too-early": "{first_day} is too long ago: the first day can be {first} or later",
    "first-day-chosen": lambda facts: (
        f"{facts['association']} "
        + (
            f"has {format_date(facts['first_day'])} as its first day"
            if facts["first_day"]
            else "has all its records here"
        )
        + " already. `tracker first-day set` changes that, with a reason."
    ),
    # Merging two records of one person
    "nobody-has-email": "Nobody has the address {email}",
    "merge-with-itself": "{email} is the address of both: there is nothing to merge",
    "merge-doubles": lambda facts: (
        f"{format_count(facts['count'], 'session')} may be logged in both records, as listed. "
        "Choose whether these are the same sessions, or all of them were held."
    ),
    "merge-conflict": _format_merge_conflict,
    "merge-own-provider": (
        "The session of {held_on} ({title}) would name its own endorsee as the provider. If these "
        "are two people, don't merge them; if not, correct or remove the session first."
    ),
    "merge-own-supervisor": (
        "The position {title} of {starts_on} would name its own holder as the supervisor. Correct "
        "it in positions.csv first."
    ),
    "merge-overlap": (
        "Both records have the {kind} {name}, and the terms that begin on {first} and on {second} "
        "overlap. Remove the wrong one first."
    ),
    "merge-submissions": (
        "Both records have submitted the renewal that begins on {starts_on}. Return one of them "
        "first."
    ),
    "merge-payment": (
        "The payment of {paid_on} by {payer} has a part for each of the two records. Correct it "
        "first, so that it has one part for both."
    ),
    "merge-applications": (
        "Both records have an undecided application for {name}. Withdraw or decide one first, or "
        "remove it."
    ),
    "merge-day-full": (
        "{held_on} would have {minutes:hours}, more than a day. Remove what is logged twice first, "
        "or keep one of each session that is in both."
    ),
    "merge-answers": (
        "One record confirmed the session of {held_on} ({title}), and the other one reported a "
        "problem with it. Have one answer changed first."
    ),
    # Removals
    "removal-undone": "This removal was undone before",
    "removal-conflicts": (
        "Nothing was brought back: what it belonged to was removed meanwhile. Undo that first: "
        "`tracker remove list` lists it."
    ),
    "removal-place-taken": (
        "Nothing was brought back: there is another {kind} in its place ({taken_by}). Remove or "
        "change that one first."
    ),
    "removal-address-taken": (
        "Nothing was brought back: {name} has the address {email} now. Give that person another "
        "one first: `tracker person change-email {email} NEW`. If both are one person, use "
        "`tracker person merge`."
    ),
    "removal-replaced": (
        "Nothing was brought back: the person has another {kind} since {starts_on}, and the two "
        "would overlap. Remove that one first."
    ),
    # Decisions
    "undo-too-late": "A decision can be undone for a day. This one is older.",
    "undo-outdated": ("This can't be undone: {what} came after the decision. {help}."),
    "undo-logged-since": (
        "This can't be undone: a session on {held_on} was logged after the decision and depends on "
        "it. It has to be deleted first."
    ),
    "referee-named-again": (
        "{name} was not brought back: you have named someone with the same address since."
    ),
    "referee-has-no-place": (
        "{name} was not brought back: you have named as many referees as you can at one time. "
        "Remove one who has not answered first."
    ),
    # Profiles
    "time-zone-unknown": "Choose a time zone from the list",
    "email-invalid": "Enter an email address, like name@example.org",
    "email-is-first": "That is already your first address. Enter a different one.",
    "email-is-second": "That is already your second address",
    "email-taken": "You can't use this address because it now belongs to another person",
    # Group sessions
    "members-required": "Choose who took part, or enter an email address",
    "member-daily-limit": (
        "You have logged {limit} sessions with {email} in one day. Please continue tomorrow."
    ),
    "member-is-self": "{email} is your own address. Enter only the other people's.",
    "too-many-members": "A session can have at most {limit} people",
    "group-session-confirmed": (
        "You confirmed this session after you opened that page, so it is in your log. Nothing was "
        "reported. If something is wrong, report it below."
    ),
    "group-session-withdrawn": "The provider has withdrawn this session",
    "group-session-logged": "You have already logged a session with this provider on that day",
    "own-entry-not-offered": "Choose one of your own entries of that day",
    # References
    "referee-name-required": "Enter the referee's name",
    "name-looks-like-link": "Enter only the name, without a link or an address",
    "own-name-looks-like-link": (
        "Ask your coordinator to correct your own name, “{name}”. It is part of the email and must "
        "not look like a link or an address."
    ),
    "referee-is-self": "Enter the referee's address. This one is your own.",
    "referee-role-required": "Choose who they are to you",
    "referee-role-unknown": "Choose one of the roles in the list",
    "rating-required": "Choose one of the ratings",
    "endorsed-by-required": "Enter the name of the association that has endorsed you",
    "referee-waiting": (
        "You have already named {name} with this address. To change the name or role, remove them "
        "first."
    ),
    "referee-declined": (
        "You have named {name} with this address, and they declined. Name someone else."
    ),
    "referee-received": (
        "You have named {name} with this address, and their reference was received. Name someone "
        "else."
    ),
    "too-many-referees": (
        "Several people have not answered yet. Remove one of them to name someone else."
    ),
    "referees-daily-limit": (
        "You have reached the limit of {limit} referees in one day. Please name the next one "
        "tomorrow."
    ),
    "application-takes-no-referees": (
        "This application was {state}, so you can't name more referees"
    ),
    # Applications
    "application-undecided": (
        "An application for {association} {category} was opened on {opened_on} and is still "
        "undecided. Continue with that one."
    ),
    "application-opened-later": (
        "An application for {association} {category} was opened on {opened_on}. Open a new one "
        "after that day."
    ),
    "application-decided": (
        "The application was {state} on {decided_on}, and that decision is final"
    ),
    "application-submitted": "The application was already submitted on {submitted_on}",
    "changed-since-preview": (
        "Something changed since this preview was made. Nothing was saved. This is what would "
        "happen now."
    ),
    "import-file-unreadable": "{file} {message}. Nothing was uploaded.",
    "import-no-file": "Choose a CSV file or an Excel workbook",
    "import-outdated": (
        "Records changed since this plan was made, so it would do something else now. Nothing was "
        "imported. Plan again to see what would happen."
    ),
    "import-state": "Someone else has moved this import on. This is how it stands now.",
    "task-state": "This work did not fail, or goes on already.",
    "task-limit": "{limit} files are being prepared already. Try again when one of them is ready",
    "import-too-many-files": "Choose at most {limit} files at one time",
    "text-missing": "Write a message",
    "entry-question-open": (
        "A question about this session is already open. Settle it first, or write in its thread."
    ),
    "entry-question-settled": "This question was settled meanwhile. Nothing was saved.",
    "entry-excluded": "This session already does not count, by an earlier decision.",
    "proposal-changes-nothing": "Change at least one field: this is what the session says already.",
    "proposal-outdated": (
        "The session has changed since this correction was proposed. Write an answer instead."
    ),
    "desk-undo-ended": "A person in this list was erased since, so it can't be undone anymore",
    "desk-undo-too-late": "A change can be undone for {days} days. This one is older.",
    "person-shared": (
        "This person also belongs to {associations}. Only the operator of this site can change "
        "what the associations share."
    ),
    "name-missing": "Enter the name",
    "role-ends-before-start": "The last day can't be before the first day",
    "role-unknown": lambda facts: f"Choose {format_alternatives(facts['known'])} as the role",
    "role-already-held": "{name} is already on the team as {role}",
    "last-coordinator": (
        "{association} needs a coordinator. Add another coordinator first, then end this role."
    ),
    "second-factor-there": "A second factor is set up already. Remove it first.",
    "second-factor-wrong": "This code isn't right. Enter the code that your app shows now.",
    "second-factor-paused": "Five codes were wrong. Wait 15 minutes, then try again.",
    "second-factor-lost": (
        "The second factor can't be read anymore. Ask another coordinator or the operator of this "
        "site to reset it."
    ),
    "own-decision": (
        "You can't decide about yourself. Ask another coordinator of the association or, if there "
        "is none, the operator of this site, who can import the decision."
    ),
    "application-not-withdrawn": (
        "Only an application that you withdrew today or yesterday can be opened again"
    ),
    "application-not-submitted": "The application is not submitted, or was decided meanwhile",
    "applicant-name-required": "Enter your full name",
    "category-not-offered": "Choose an endorsement from the list",
    "review-has-begun": (
        "{association} has begun to review the application. Ask your coordinator to send it back "
        "if you need to change something."
    ),
    "nothing-to-review": "There is nothing for the reviewers to decide here",
    "note-missing": "Enter a short reason. The applicant reads it.",
    # What needs a coordinator's attention
    "snooze-day": "Choose a day after today, {last} at the latest",
    "snoozed-meanwhile": "{who} snoozed this until {until} while this page was open",
    # An applicant's portfolio
    "portfolio-submitted": (
        "Your application for {association} {category} is submitted, so you can add to your "
        "records but not change them. Take the application back first, or ask your coordinator to "
        "send it back."
    ),
    "portfolio-full": "You can have at most {limit} of these. Remove one you don't need.",
    "day-required": "Enter the day",
    "level-required": "Choose what you completed",
    "degree-title-missing": "Enter the degree or credential, like MSW, Social Work",
    "degree-in-future": "The day must be today or earlier. Enter the degree once it is awarded.",
    "degree-on-record": (
        "This degree is already on record, awarded {awarded_on}. Change that one, or ask your "
        "coordinator if you can't."
    ),
    "transcript-for-association": (
        "Choose one of the two. Your association records an official transcript when it comes."
    ),
    "position-title-missing": "Enter your job title, like Home visitor",
    "position-ends-in-future": (
        "The last day must be today or earlier. Check “I still work there” until then."
    ),
    "position-in-future": "The first day must be today or earlier. Enter the job once you start.",
    "position-on-record": (
        "You have a job with this title since {starts_on} on record. Change that one, or say "
        "for whom this one is under “Employer.”"
    ),
    "pay-required": "Choose whether the work was paid",
    "services-required": "Choose at least one",
    "choice-unknown": "Choose from the list",
    "families-required": "Enter the number of families in digits, like 12",
    "families-out-of-range": "The number of families must be 0 to {limit}",
    "exam-not-required": "This application requires no exam",
    "exam-in-future": "The day must be today or earlier. Enter the exam once you have taken it.",
    "exam-on-record": "An exam on {taken_on} is already on record",
    "before-opening": "The application was opened on {opened_on}, so it can't be {wanted} on {day}",
    "before-submission": (
        "The application was submitted on {submitted_on}, so it can't be {wanted} on {day}"
    ),
    "endorsed-later": (
        "The same endorsement is on file starting {starts_on}, and one starting {day} would "
        "overlap it. First enter the earlier period as an endorsement with an end date."
    ),
    # Mailings
    "mailing-subject-missing": "Enter a subject",
    "mailing-text-missing": "Enter a message",
    "mailing-too-long": "Use at most {limit} characters. These are {length}.",
    "mailing-field-unknown": _format_unknown_field,
    "mailing-brace": (
        "A brace {brace} stands alone. Write fields like {{name}}, and use no braces otherwise."
    ),
    "mailing-html": "Write plain text without HTML. Remove {tag}",
    "mailing-day-limit": (
        "Your association has sent {limit} mailings today, which is the limit. Please send this "
        "one tomorrow. It is kept as a draft."
    ),
    "mailing-person-skipped": "{name} is skipped: {why}",
    "mailing-no-recipient": "No recipient has {sought} in the name or address",
    "mailing-nobody": "No one would get this email. See who is skipped and why.",
}


def format_refusal(code: str, facts: Facts) -> str:
    """What is wrong and how to fix it. Only a text of several sentences ends with a period."""
    sentence = _SENTENCES[code]
    if isinstance(sentence, str):
        return _SentenceFormatter().vformat(sentence, (), facts)
    return sentence(facts)


def format_length_question(minutes: int) -> str:
    """Asks whether an unusually short or long session is a mistake."""
    if minutes < MINUTES_IN_HOUR:
        return f"Was it only {format_count(minutes, 'minute')}?"
    return f"Was it really {format_hours_with_unit(minutes)}?"
