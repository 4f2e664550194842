"""Compiled kernels: code for convolutions, emitted for this processor through LLVM."""
