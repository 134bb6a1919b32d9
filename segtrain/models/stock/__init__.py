"""Models of libraries and of the user's own, brought into the shape of every model: an adapter a library."""
