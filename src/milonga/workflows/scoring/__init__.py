"""Scores by models: words, and style and mood."""
