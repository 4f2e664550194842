"""Code that the neural generators share: checkpoints, loading, cancelling, estimates."""
