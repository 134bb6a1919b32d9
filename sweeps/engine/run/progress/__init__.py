"""What a running sweep shows: the live table, and what its totals are."""
