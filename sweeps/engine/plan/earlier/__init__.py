"""What earlier commands have left, and what becomes of it."""
