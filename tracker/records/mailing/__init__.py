"""Notices, mails and digests: decided once, waiting, bounced, unsubscribed."""
