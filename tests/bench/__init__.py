"""`make bench`: speed as a ratio to a floor measured in the same run, and peak memory."""
