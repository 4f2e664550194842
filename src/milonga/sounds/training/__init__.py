"""Training of a sound model."""
