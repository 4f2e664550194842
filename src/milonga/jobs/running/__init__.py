"""Processes that work on the queue: a runner, and a worker for each job."""
