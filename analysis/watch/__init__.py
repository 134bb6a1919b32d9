"""A study while it runs: its report kept current, and a page about it for a browser, a small one too."""
