"""How good it is: listening tests, studies, scores of words and style."""
