"""BigVGAN: from mel-spectrograms to 44.1 kHz audio, in torch or by compiled kernels."""
