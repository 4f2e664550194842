"""``milonga sound``: sound models from the user's own recordings."""

from __future__ import annotations

from milonga.cli.main import LazyGroup

_LIBRARY = "milonga.cli.sounds.library"

sound = LazyGroup(
    "sound",
    help="Train sound models on your own recordings, keep them, and play them.\n\n"
    "NAME is a model of your library, MODEL its name or the path of a model's file.",
    lazy={
        "train": ("milonga.cli.sounds.train:train", "Learn a model from a folder of recordings."),
        "play": ("milonga.cli.sounds.play:play", "Make sound with a model and its controls."),
        "blend": ("milonga.cli.sounds.blend:blend", "Play several models as one."),
        "preset": ("milonga.cli.sounds.presets:preset", "Keep settings of a model under names."),
        "history": (
            "milonga.cli.sounds.history:history",
            "What was played: listen, play again, compare, learn from it.",
        ),
        "list": (f"{_LIBRARY}:list_", "Show the models of the library."),
        "info": (f"{_LIBRARY}:info", "Show all about a model; set its tags and notes."),
        "search": (f"{_LIBRARY}:search", "Find models by words."),
        "add": (f"{_LIBRARY}:add", "Copy a model's file into the library."),
        "rename": (f"{_LIBRARY}:rename", "Give a model another name."),
        "delete": (f"{_LIBRARY}:delete", "Delete a model and all that belongs to it."),
        "fine-tune-vocoder": (
            "milonga.cli.sounds.vocoder:fine_tune_vocoder",
            "Train a vocoder on a model's recordings.",
        ),
    },
)
