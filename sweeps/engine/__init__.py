"""How a study becomes scheduled trials. The only place that imports ray or optuna."""
