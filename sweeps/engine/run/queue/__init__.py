"""Which trial runs next, and where trials come from."""
