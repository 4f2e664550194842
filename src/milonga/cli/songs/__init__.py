"""Commands about song sheets, takes and comparisons."""
