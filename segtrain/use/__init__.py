"""What a trained model is good for: predicting images, and leaving for other programs."""
