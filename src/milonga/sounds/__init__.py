"""The user's own sounds: models learnt from a few recordings, and playing them."""
