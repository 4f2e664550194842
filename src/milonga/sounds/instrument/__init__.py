"""Sound models as instruments: played, blended, in batches, with a vocoder."""
