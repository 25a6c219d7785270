"""What a person keeps about herself: addresses, mails, memberships, requests, files."""
