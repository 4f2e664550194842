"""Sound in space: stereo width, binaural rendering, listeners' own heads."""
