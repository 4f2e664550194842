"""Scores by models that hear: how near a recording is to a text, how people would rate it."""
