"""How a study becomes scheduled trials: what is asked, what would run, and what runs it."""
