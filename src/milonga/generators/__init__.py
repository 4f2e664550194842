"""Generators: models that render a request into a clip, and their registry."""
