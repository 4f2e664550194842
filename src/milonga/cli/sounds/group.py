"""``milonga sound``: sound models from the user's own recordings."""

from __future__ import annotations

from milonga.cli.main import LazyGroup

sound = LazyGroup(
    "sound",
    help="Train sound models on your own recordings, keep them, and play them.\n\n"
    "NAME is a model of your library, MODEL its name or the path of a model's file.",
    lazy={
        "train": ("sounds.train", "Learn a model from a folder of recordings."),
        "play": ("sounds.play", "Make sound with a model and its controls."),
        "blend": ("sounds.blend", "Play several models as one."),
        "preset": ("sounds.presets", "Keep settings of a model under names."),
        "history": (
            "sounds.history",
            "What was played: listen, play again, compare, learn from it.",
        ),
        "export": ("sounds.export", "Write a model as a sampler instrument, or as ONNX."),
        "list": ("sounds.library:list_", "Show the models of the library."),
        "info": ("sounds.library", "Show all about a model; set its tags and notes."),
        "search": ("sounds.library", "Find models by words."),
        "add": ("sounds.library", "Copy a model's file into the library."),
        "rename": ("sounds.library", "Give a model another name."),
        "delete": ("sounds.library", "Delete a model and all that belongs to it."),
        "fine-tune-vocoder": ("sounds.vocoder", "Train a vocoder on a model's recordings."),
    },
)
