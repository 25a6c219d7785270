"""The numbers of rows."""

# Columns of ids are integers of 32 bits on PostgreSQL.
LARGEST_ID = 2**31 - 1
