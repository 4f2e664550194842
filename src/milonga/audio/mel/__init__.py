"""Mel-spectrograms: specification, filters, files."""
