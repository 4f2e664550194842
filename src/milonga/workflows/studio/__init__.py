"""Out into the studio: songs and sound models for other programs."""
