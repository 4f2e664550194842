"""Compiled kernels for the processor: minimal filtering and fused activations through LLVM."""
