"""What predictions and truth say about a model. Nothing here knows of training."""
