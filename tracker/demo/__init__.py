"""The demo: a made-up roster, the whole system, and a mailbox that takes its mail."""
