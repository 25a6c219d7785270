"""How rows come in and out: the engine, whose turn it is to write, statements, audit events."""
