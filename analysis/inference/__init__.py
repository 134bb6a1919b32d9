"""Arrays of scores -> estimates, tests and decisions. Pure functions that know neither files nor frames."""
