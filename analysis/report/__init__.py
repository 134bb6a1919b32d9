"""What a reader gets: tables, the page, and what a dataset looks like."""
