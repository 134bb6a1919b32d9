"""What a model is fed: batches of images, or of the features of a frozen encoder."""
