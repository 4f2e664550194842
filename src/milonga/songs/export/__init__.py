"""A song for other programs: stems, notes, timed lyrics, projects of audio workstations."""
