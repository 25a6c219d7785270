"""The tables: what is stored, with its checks, and the types of its columns."""
