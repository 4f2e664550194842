"""Forms of lyrics beside Markdown: with timings, with chords, JSON."""
