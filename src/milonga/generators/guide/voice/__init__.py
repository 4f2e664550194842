"""The singing voice of the guide: lyrics and a tune to a vocal, offline.

``vocals`` decides who sings what; ``speech`` and its engines (``neural``, ``espeak``) speak a line
with the timing of its phones; ``world`` turns that into vocoder parameters; ``alignment``,
``contour`` and ``singing`` lay them over the notes; ``room`` puts the voice in a mix.
"""
