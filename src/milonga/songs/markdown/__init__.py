"""Markdown prompts as song sheets, and song sheets as Markdown."""
