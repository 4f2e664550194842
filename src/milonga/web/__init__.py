"""The local page: pages over the workflows and the queue of jobs, for this machine alone."""
