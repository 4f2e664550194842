"""Beats and bars of recordings."""
