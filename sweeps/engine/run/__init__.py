"""What runs it: the only place that imports ray, optuna or wandb."""
