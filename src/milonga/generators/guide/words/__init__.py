"""Words into syllables, by spelling."""
