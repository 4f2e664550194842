"""Commands about this machine and its models."""
