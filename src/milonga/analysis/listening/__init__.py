"""Blind listening tests: pages that open from the disk, and what their answers say."""
