"""Searches: Optuna's studies as a source of trials, and their run."""
