"""The ``guide`` generator: a scratch version of anything, within seconds and without a download.

``melody.compose_melody`` writes the tune of a segment, ``arrange`` the band around it, ``render``
makes it audio.
"""

from milonga.generators.guide.generator import Guide

__all__ = ["Guide"]
