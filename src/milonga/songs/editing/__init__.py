"""Edits: takes made from other takes or recordings, their plan and their making."""
