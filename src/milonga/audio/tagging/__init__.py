"""What stands in the tags of sound files, byte by byte: ID3, Vorbis comments, the receipt."""
