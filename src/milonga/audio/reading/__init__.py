"""Recordings found and opened, whoever wrote them."""
