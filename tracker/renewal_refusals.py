"""Why a renewal can't be submitted, decided, audited, certified, or paid for, by code."""

RENEWAL_REFUSALS = {
    # Submitting a renewal
    "renewal-submitted-already": "This renewal was submitted on {day}",
    "renewal-appealed": "You appealed against the audit. Wait for the decision about your appeal.",
    "renewal-settled": "This renewal was settled on {settled_on}. Contact your coordinator.",
    "renewal-not-open": "You can submit this renewal from {day} on",
    "renewal-closed": "This renewal could be submitted through {day}. Contact your coordinator.",
    "statement-not-signed": "Check “{statement}” to sign it",
    "signature-missing": "Type your name to sign",
    "renewal-returned-already": "This renewal was returned already",
    "renewal-accepted-already": "This renewal was accepted already",
    # Removal after a lapse, and reinstatement
    "removal-not-due": "This endorsement can be removed starting on {removal_on}",
    "reinstatement-not-offered": "The rulebook has no reinstatement. Please apply anew.",
    "reinstatement-too-late": (
        "Reinstatement was possible through {latest_on}. Please apply anew."
    ),
    # Certificates of many people
    "no-certificates": "None of these people has a certificate",
    "too-many-certificates": "Choose fewer people: one file has at most {limit} certificates",
    # Payments of fees
    "payment-of-nothing": "Enter the amount that was paid",
    "payment-in-future": "The payment date must be today or earlier",
    "payer-missing": "Enter the name of the person or agency that paid",
    "payment-for-nobody": "Enter for each person how much of the payment is for them",
    "payment-share-twice": "The same fee of the same renewal is listed twice",
    "payment-shares-exceed": (
        "The parts come to more than the payment. Correct the amount, or the parts."
    ),
    "payment-removed-already": "This payment was removed already",
    "audit-nobody": "No accepted renewal can be drawn: choose other days, or wait",
    "audit-days": "The last day can't be before the first one",
    "audit-amount": "Enter a whole number from 1 to 10,000",
    "audit-share": "Enter a percentage from 1 to 100",
    "audit-drawn": "This draw was made already",
    "audit-discarded": "This draw was discarded",
    "audit-covered": (
        "Draw {draw} has these renewals in its list already. Use that one, or discard it with a "
        "reason first."
    ),
    "audit-seed": "Use letters from A to Z, digits, spaces, and - . : only",
    "audit-state": "This was decided or sent meanwhile. Look at the page again.",
    "audit-due": "Enter a day after today ({today})",
    "audit-not-sent": "The documents can still be sent through {due_on}",
    "audit-verdict-unchosen": "Choose whether “{title}” of {held_on} is supported",
    "audit-verdict-missing": "Choose whether “{title}” of {held_on} is supported",
    "audit-reason-missing": "Write why “{title}” of {held_on} is not supported",
    "audit-outcome-missing": "Choose the outcome",
    "audit-hours-missing": (
        "{label}: the sessions show {logged} of {required}. "
        "Enter how much more the documents support, also if it is 0."
    ),
    "audit-hours-too-many": "{label}: enter 0 to {most}",
    "audit-hours-wrong": "{label}: enter a number, such as 13.5 hours, or 0",
    "audit-short": (
        "What is supported does not meet every requirement: {missing}. Choose “Not passed,” or "
        "pass it with an exception."
    ),
    "audit-not-accepted": "Accept the renewal first: it waits for a decision of its own",
    "audit-nothing-sent": "Add a document, or write a note",
    "audit-about-nothing": "Choose what the documents are about",
    "audit-no-file": "Choose at least one file",
    "audit-due-earlier": "Enter a day after the present due date ({due_on})",
    "appeal-missing": "Write why you disagree",
    "audit-appealed": "You appealed already. Contact your coordinator.",
    "audit-submitted-again": (
        "You submitted this renewal again, so your coordinator decides about that. Contact them."
    ),
    "audit-returned": (
        "The renewal was returned and is not submitted again yet. "
        "Decide that it passed once it is submitted."
    ),
}
