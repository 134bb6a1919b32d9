"""Charts -> files and pages, by matplotlib and by plotly."""
