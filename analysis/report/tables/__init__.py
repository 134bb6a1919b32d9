"""The tables of a report, and how a table becomes CSV, Markdown, LaTeX and HTML."""
