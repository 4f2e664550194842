"""The hub over HTTP: requests, answers, refusals, downloads."""
