"""Words of lyrics and directions: syllables by spelling, languages, what directions ask for."""
