"""Convolutions on a processor: minimal filtering and fused activations, compiled through LLVM."""
