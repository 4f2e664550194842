"""The command line: one module for each command or group, which parses and prints."""
