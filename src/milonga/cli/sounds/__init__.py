"""Commands about sound models and vocoders."""
