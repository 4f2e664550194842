"""A sound model: its network, its latents, its file, and playing it."""
