"""The recordings that a sound model learns from, up to the mels that training reads."""
