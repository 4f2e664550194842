"""The output folder of a song: its takes, mix and report."""
