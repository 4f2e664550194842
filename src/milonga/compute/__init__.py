"""Engines that make networks fast on the processor that is there, each with a plain torch twin."""
