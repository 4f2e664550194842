"""Training of BigVGAN generators: fine-tuning a checkpoint's, or a small one from nothing."""
