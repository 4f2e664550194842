"""Export: a clip as a file for listening, with tags and a receipt."""
