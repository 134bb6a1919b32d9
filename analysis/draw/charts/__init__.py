"""One chart a module, as data: what the backends draw."""
