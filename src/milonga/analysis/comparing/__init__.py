"""Comparisons: baselines with their yardsticks, candidates, takes of one condition."""
