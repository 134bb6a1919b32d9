"""Runs of trials in the trackers of a lab: one module for each, and what keeps their failures from the trials."""
