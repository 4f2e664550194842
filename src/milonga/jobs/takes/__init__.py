"""Takes given to processes, here or elsewhere: as data, in an order that keeps models loaded."""
