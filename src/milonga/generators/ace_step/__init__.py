"""The ``ace-step`` generator: whole songs, words and music in one, by ACE-Step 1.5."""

from milonga.generators.ace_step.generator import AceStep

__all__ = ["AceStep"]
