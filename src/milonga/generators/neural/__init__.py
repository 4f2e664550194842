"""What the generators with neural networks share: loading, seeds, cancelling, estimates."""
