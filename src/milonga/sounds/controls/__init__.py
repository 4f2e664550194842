"""The controls of a sound model: descriptors of sound and their spread in a corpus."""
