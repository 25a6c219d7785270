"""Keeps infant mental health endorsees' renewal hours, judges them and reminds in time."""
