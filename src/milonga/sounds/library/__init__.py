"""The user's sound models, their presets and their history."""
