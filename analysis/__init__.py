"""What came out of a study: reads run folders only, and imports nothing of the trainer but the names on disk."""
