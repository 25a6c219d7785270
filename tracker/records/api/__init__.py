"""Programs of associations: their tokens, what they asked before, entries as they read them."""
