"""Models that a generator can't take are refused before any work, and nobody is asked."""

import pytest
from asking import ask

from milonga.errors import MilongaError
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

WRONG = {
    "ace-step": [
        ("musicgen-small", "not an ACE-Step model"),
        ("ace-step-2", "no model 'ace-step-2'"),
    ],
    "bark": [("musicgen-small", "not a Bark model"), ("bark-tiny", "no model 'bark-tiny'")],
    "musicgen": [
        ("facebook/musicgen-melody", "melody checkpoint"),
        ("facebook/musicgen-stereo-melody-large", "torchaudio"),
        ("bark-small", "not a MusicGen model"),
        ("musicgen-tiny", "no model 'musicgen-tiny'"),
    ],
    "stable-audio": [
        ("musicgen-small", "not a Stable Audio Open model"),
        ("stable-audio-3-medium", "not a Stable Audio Open model"),
        ("stable-audio-2", "no model 'stable-audio-2'"),
    ],
    "stable-audio-3": [
        ("stable-audio", "not a Stable Audio 3 model"),
        ("musicgen-small", "not a Stable Audio 3 model"),
    ],
}


@pytest.mark.parametrize(
    ("name", "model", "words"),
    [
        (name, model, words)
        for name, models in WRONG.items()
        for model, words in [*models, ("./nowhere", "not there")]
    ],
)
def test_what_is_no_such_model_is_refused_before_any_work(hub, name, model, words):
    generator = make_generator(name, {"model": model})
    request = ask()
    if name == "bark":
        request = ask(role="vocals", lyrics=({"text": "We laugh at the chaos", "language": "en"},))
    problem = generator.assess(request).problems[-1]
    assert words in problem.message
    assert problem.step
    with pytest.raises(MilongaError, match=words):
        generator.render(request, Progress())
    assert hub.requests == []
