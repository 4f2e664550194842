"""Decoders that make one token after the other: preallocated memories, compiled steps, sampling."""
