"""The pages: a module for each, with the addresses that its script asks."""
