"""Files on disk -> frames and records. Nothing is judged or drawn here."""
