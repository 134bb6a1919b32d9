"""Datasets of the user's own: described by a dataset.toml, which is data and is never run."""
