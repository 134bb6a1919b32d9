"""Boxes and arrows: the networks, and which trials start from which."""
