"""Sound models for other programs: sampler instruments, and ONNX."""
