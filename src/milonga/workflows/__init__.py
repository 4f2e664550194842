"""What a user does in one step, for every face: command line, page, notebook."""
