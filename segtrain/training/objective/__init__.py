"""What training makes small, and by which steps: losses, optimisers and schedules."""
