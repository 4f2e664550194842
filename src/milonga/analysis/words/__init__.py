"""Words in a recording: recognised, held against lyrics, and timed."""
