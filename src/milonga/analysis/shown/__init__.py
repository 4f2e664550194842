"""Comparisons as people read them: tables, CSV, scales, vector pictures."""
