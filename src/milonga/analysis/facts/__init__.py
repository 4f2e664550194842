"""What a sheet asks for, measured in a recording: tempo, metre, key, chords, length, voice."""
