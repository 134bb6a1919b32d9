"""What the commands of a study asked for, gathered, and how its settings are told apart."""
