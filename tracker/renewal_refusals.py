"""Why a renewal can't be submitted or decided, or a payment recorded, in sentences, by code."""

RENEWAL_REFUSALS = {
    # Submitting a renewal
    "renewal-submitted-already": "This renewal was submitted on {day}",
    "renewal-settled": "This renewal was settled on {settled_on}. Contact your coordinator.",
    "renewal-not-open": "You can submit this renewal from {day} on",
    "renewal-closed": "This renewal could be submitted through {day}. Contact your coordinator.",
    "statement-not-signed": "Check “{statement}” to sign it",
    "signature-missing": "Type your name to sign",
    "renewal-returned-already": "This renewal was returned already",
    "renewal-accepted-already": "This renewal was accepted already",
    # Payments of fees
    "payment-of-nothing": "Enter the amount that was paid",
    "payment-in-future": "The payment date must be today or earlier",
    "payer-missing": "Enter who paid",
    "payment-for-nobody": "Enter for each person how much of the payment is for them",
    "payment-share-twice": "The same fee of the same renewal is listed twice",
    "payment-shares-exceed": (
        "The parts come to more than the payment. Correct the amount, or the parts."
    ),
    "payment-removed-already": "This payment was removed already",
}
