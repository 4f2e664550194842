"""Transformers of diffusion models on a processor: fused layers around the quick products."""
