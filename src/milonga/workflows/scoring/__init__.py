"""Scores by models, and facts: words, style and mood, what the sheet asked for."""
