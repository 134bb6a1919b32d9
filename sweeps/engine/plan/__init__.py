"""What would run, where, and what it would cost. Starts nothing."""
