"""How good it is: listening tests and studies."""
