"""Defects of a recording: each check is a function of its samples."""
