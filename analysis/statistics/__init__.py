"""Frames -> settings, intervals and verdicts. Nothing is drawn or written here."""
