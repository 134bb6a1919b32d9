"""What a model makes of images: logits of a batch, and class probabilities at the resolution of a file."""
