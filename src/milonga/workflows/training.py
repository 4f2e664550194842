"""Training a sound model in one step."""

from milonga.sounds.train_model import train_into_library as train_model

__all__ = ["train_model"]
