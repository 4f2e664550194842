"""Two recordings on common ground: sketches, alignment, figures."""
