"""Figures, comparisons and checks that tell how good a result is.

- ``features.features(clip)``: the figures of one recording.
- ``comparison.compare(baseline, candidates)``, ``compare_clips``: against a baseline, with
  yardsticks that show what the figures are worth.
- ``take_checks.check_take(clip)``: the defects of a take.
- ``spectra.mel_picture(clip)``, ``chroma_picture``: what the report draws.
- ``report``: the page.

It takes clips, never songs, so it can judge any audio.
"""
