"""Why something counts or does not: a code with its facts, and the one sentence for each code."""

from datetime import date
from typing import NamedTuple

from tracker.formatting import format_date, format_list

# A sentence without its full stop. It may name the facts that its reason was given.
SENTENCES = {
    # A renewal that was due before its association's first day in this system.
    "before_records": "its due date is before the association's first day in this system, "
    "{first_day}",
    # A cycle in which that day falls.
    "unrecorded_hours": "hours held before {first_day} may not be in this system yet",
    # An entry, and the plan of a renewal or an application.
    "not_tracked": "we don't track this endorsement's renewal yet; ask {association}",
    "no_renewal_rules": "the rulebook has no renewal rules for this category",
    "no_application_rules": "the rulebook has no initial requirements for this category",
    "outside_cycle": "it was outside the cycle, {starts_on} to {ends_on}",
    "outside_carried": "only hours from {starts_on} to {ends_on} count, also those from before the "
    "cycle",
    "in_the_future": "it is still {today} at {association}; hours on {held_on} count "
    "starting that day",
    "excluded": "{association} decided that it does not: {reason}",
    "not_required": "no {activity} hours are required",
    "other_format": "its format is {format}, and only {formats} sessions count",
    "no_format": "its format is not recorded, and only {formats} sessions count",
    "format_cap": "at most {hours} of {formats} sessions count",
    "topic_cap": "at most {hours} about {topic} count",
    # A requirement of a renewal that is exempt.
    "first_cycle": "no hours are required in the cycle of endorsement",
    "first_cycle_part": "a part of the hours is required, because the endorsement began on "
    "{endorsed_on}; all hours held since {starts_on} count",
    "first_cycle_applied": "a part of the hours is required, counted from the day of the "
    "application, or from {endorsed_on}, when the endorsement began, if no application is on "
    "record; all hours held since {starts_on} count",
    "first_cycle_exempt": "not required in the cycle of endorsement",
    "first_cycle_exempts": "not required in the cycle of endorsement: {labels}",
    "first_cycle_hours": "all hours held since {starts_on} count, also those from before the "
    "endorsement began on {endorsed_on}",
    # When an endorsement ends by the rules of its category.
    "ends_by_rule": "this endorsement ends on {last_day}",
    "limited_term": "an endorsement as {category} lasts {years} at most",
    "limited_term_becomes": "an endorsement as {category} lasts {years} at most: to go on, it must "
    "become one as {others} by then",
    "add_on": "an endorsement as {category} lasts as long as the one beside it, as {others}",
    # An amount for endorsements that were held for so many years when the cycle began.
    "held_years": "“{label}” is {amount}, because the endorsement had been held for {years} when "
    "the cycle began on {starts_on}",
    # A cycle whose end a change of the rules moved.
    "changed_cycle": "no hours are required in this cycle, because a change of the rules moved its "
    "end to {ends_on}",
    "changed_cycle_less": "a part of the hours is required, because a change of the rules moved "
    "the end of this cycle to {ends_on}",
    "changed_cycle_more": "more hours are required than in other cycles, because a change of the "
    "rules moved the end of this one to {ends_on}",
    "waived": "waived by the association",
    "on_leave": "excused while {status}",
    "no_membership_away": "not required on days away",
    "months_away": "{away} of {months} months {status}: {required} of {amount} required",
    # What today's records would change about a settled cycle.
    "settled_without_renewal": "it was settled as {before}; by today's records nothing is due",
    "settled_status": "it was settled as {before}; by today's records it would be {after}",
    "settled_requirement_gone": "the rulebook no longer has “{label}”",
    "settled_requirement_new": "the rulebook now has “{label}” as well",
    "settled_waived": "“{label}” has been waived since",
    "settled_not_waived": "the waiver of “{label}” is gone",
    "settled_membership_short": "“{label}”: a membership that counted is no longer on record",
    "settled_membership_covered": "“{label}”: a membership recorded since covers it",
    "settled_now_missing": "“{label}” was there then, and is missing by today's records",
    "settled_now_there": "“{label}” was missing then, and is there by today's records",
    "settled_hours": "“{label}”: {before} counted then, {after} by today's records",
    "settled_rules": "the rulebooks have changed since",
    # The provider of a session.
    "qualified": "{status} on that day",
    "no_provider": "no provider is named",
    "unconfirmed": "{provider} is not yet confirmed as qualified",
    "provider_declined": "{association} did not confirm {provider} as an RSC provider: {words}",
    "qualified_later": "{provider}'s {credential} counts only from {starts_on}",
    "held_too_short": "{provider}'s {credential} counts only after {years} without a break: held "
    "since {held_since}, it counts starting {starts_on}",
    "never_held_long": "{provider}'s {credential} counts only after {years} without a break: it "
    "has been held only since {held_since}",
    "degree_needed": "{provider} is {category}, which counted only with a {degree}'s degree: "
    "the rule accepts {rule}",
    "degree_needed_until": "{provider} is {category}, which counted only with a {degree}'s degree "
    "until {until}: the rule accepts {rule}",
    "not_accepted": "{provider} was {held} on {day}: the rule accepts {rule}",
    # What ends a provider's qualification, before and after its last day.
    "credential_ends": "{provider}'s {credential} ends on {last_day}",
    "credential_ended": "{provider}'s {credential} ended on {last_day}",
    "rule_ends": "{provider}'s {credential} counts only through {last_day}",
    "rule_ended": "{provider}'s {credential} counted only through {last_day}",
    "degree_rule_ends": "{provider}'s {credential} (with a {degree}'s degree) counts only "
    "through {last_day}",
    "degree_rule_ended": "{provider}'s {credential} (with a {degree}'s degree) counted only "
    "through {last_day}",
    "stops_qualifying": "{provider} does not qualify after {last_day}",
    "stopped_qualifying": "{provider} did not qualify after {last_day}",
    # An applicant's education, work, and sessions.
    "no_official_transcript": "an official transcript is required",
    "no_degree": "it counts only after a {degree}'s degree, and none is on record",
    "before_degree": "it counts only after a {degree}'s degree (awarded {awarded_on})",
    "ended_before_degree": "it ended before the {degree}'s degree",
    "not_begun": "it has not begun",
    "other_services": "it offers none of: {services}",
    "other_ages": "it does not serve children {ages}",
    "not_paid": "it was not paid",
    "untrained_volunteer": "volunteer work counts only if it was supervised and came with training",
    "not_supervised": "it was not supervised",
    "not_confirmed": "not confirmed: {statements}",
    "internship": "an internship does not count here",
    "internship_supervisor": "an internship counts only with a supervisor endorsed as {categories}",
    "not_providing_rsc": "no position on record had you provide RSC on that day",
    "outside_window": "outside the best window, {starts_on} to {ends_on}",
    # Those that count if the reviewers agree.
    "volunteer": "volunteer work counts if the reviewers agree",
    "internship_review": "an internship counts for {years} if the reviewers agree",
    "after_other_education": "it counts after {title} if the reviewers agree",
    # On what an amount that counts for an application rests.
    "degree": "{title}",
    "degree_for_review": "{title}, if the reviewers agree",
    "if_reviewers_agree": "if the reviewers agree",
    "reviewers_decide": "for the reviewers to decide",
    "only_paid_work": "only paid work is on record; the reviewers decide whether some was in "
    "addition to it",
    "passed": "passed {day}",
    "exam_reported": "passed {day} according to the applicant; the association confirms it",
    "reviewers_accepted": "accepted by the reviewers",
    "reviewers_refused": "the reviewers did not accept what is on record",
    "alternative_met": "{label} is enough",
    "alternative_for_review": "{label} is enough if the reviewers agree",
    "window": "{starts_on} to {ends_on}",
    # On what hours count for a reinstatement.
    "last_months": "sessions of the last {months} count",
    "since_removal": "sessions on {day} or later count",
    "references": "{received} received, {waiting} waiting",
    "idle_reference": "{idle} of them does not fit any remaining place",
    "idle_references": "{idle} of them do not fit any remaining place",
    "instead_references": "counted in other places, if the reviewers agree",
    "endorsed_referees": "{count} must be endorsed as {categories}",
    "endorsed_or_vetted_referees": "{count} must be endorsed as {categories} or vetted",
    # What would make an entry count.
    "name_provider": "It can count once the entry names the RSC provider",
    "record_format": "It can count once the entry has its format",
    "correct_provider": "If the name is wrong, correct it in the entry",
    "confirm_provider": "It counts once {provider} is confirmed, as {rule}, for {day}",
    "record_credential": "If {provider} was {rule} on {day}, it counts once that is on record",
}


class Reason(NamedTuple):
    """Why something counts or does not: a code of `SENTENCES` and the facts its sentence names."""

    code: str
    facts: tuple[tuple[str, object], ...] = ()


def because(code: str, **facts: object) -> Reason:
    """The reason of this code with these facts."""
    return Reason(code, tuple(facts.items()))


def format_reason(reason: Reason) -> str:
    """The reason in one sentence, without a full stop, in the locale in use."""
    words: dict[str, object] = {}
    for name, value in reason.facts:
        if isinstance(value, date):
            words[name] = format_date(value)
        elif isinstance(value, tuple):
            words[name] = format_list(value)
        else:
            words[name] = value
    return SENTENCES[reason.code].format(**words)
