"""The tune: phrases, rhythm, melody, and the instrument that leads."""
