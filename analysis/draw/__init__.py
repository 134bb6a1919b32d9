"""Frames and statistics -> charts and pictures: what a picture shows, apart from what draws it."""
