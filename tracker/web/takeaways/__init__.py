"""What a person carries away: transcript, calendar, all her data."""
