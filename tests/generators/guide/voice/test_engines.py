"""The speech engines: timing of their phones, repeatability, hostile text."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from milonga.errors import GeneratorError
from milonga.generators.guide.voice import espeak as espeak_module
from milonga.generators.guide.voice.onnx_graph import inputs_of, with_output
from milonga.generators.guide.voice.phones import nuclei

TEXTS = {"en": "Take the shadow, chaos from the city", "es": "Toca conmigo la canción, corazón"}


@pytest.fixture(params=["neural", "espeak"])
def engine(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def speech(engine):
    language = "en" if engine.name == "hibari" else "es"
    return engine.speak(TEXTS[language].split(), language)


def test_phones_follow_each_other_through_the_speech(speech):
    seconds = len(speech.samples) / speech.rate
    assert speech.phones[0].start_s == pytest.approx(0, abs=0.05)
    assert speech.phones[-1].end_s <= seconds + 0.03
    for left, right in zip(speech.phones, speech.phones[1:], strict=False):
        assert right.start_s == pytest.approx(left.end_s, abs=1e-6)
        assert left.end_s >= left.start_s
        assert right.word >= left.word


def test_vowels_are_louder_than_voiceless_consonants(speech):
    """What a wrong timing would break: levels in the middle of phones, in the low band."""
    low = _low_band(speech.samples, speech.rate)

    def level(phone):
        middle = (phone.start_s + phone.end_s) / 2
        piece = low[int((middle - 0.008) * speech.rate) : int((middle + 0.008) * speech.rate)]
        return float(np.sqrt((piece**2).mean()))

    vowels = [level(n.phone) for n in nuclei(speech.phones)]
    voiceless = [level(p) for p in speech.phones if not p.voiced and not p.pause]
    # 12 dB: vowels have their energy below 1 kHz, voiceless sounds next to none.
    assert np.median(vowels) > 4 * np.median(voiceless)


def test_every_word_has_its_syllables(engine, speech):
    words = [n.word for n in nuclei(speech.phones)]
    expected = [1, 1, 2, 2, 1, 1, 2] if engine.name == "hibari" else [2, 3, 1, 2, 3]
    assert [words.count(i) for i in range(len(expected))] == expected


def test_equal_words_sound_equal_whatever_was_said_between(engine):
    language = "en" if engine.name == "hibari" else "es"
    first = engine.speak(["una", "vez"], language)
    engine.speak(["otra", "cosa", "sin", "duda"], language)
    second = engine.speak(["una", "vez"], language)
    assert np.array_equal(first.samples, second.samples)
    assert first.phones == second.phones


def test_slower_is_longer(engine):
    language = "en" if engine.name == "hibari" else "es"
    usual = engine.speak(["banana"] * 4, language)
    slow = engine.speak(["banana"] * 4, language, 0.7)
    assert len(slow.samples) > 1.15 * len(usual.samples)


@pytest.mark.parametrize("words", [["..."], ["\x00"], ["🔥"], ["<speak>", "[[x]]", "&amp;"], ["—"]])
def test_odd_text_is_no_crash(engine, words):
    language = "en" if engine.name == "hibari" else "es"
    speech = engine.speak(words, language)
    assert all(0 <= p.word < len(words) for p in speech.phones)
    assert np.isfinite(speech.samples).all()


def test_words_beyond_what_the_model_takes_at_once_are_spoken_in_pieces(neural):
    words = ["wonderful"] * 70
    speech = neural.speak(words, "en")
    assert {p.word for p in speech.phones if not p.pause} == set(range(70))
    assert len(nuclei(speech.phones)) == 210


def test_numbers_belong_to_one_word(neural, espeak):
    for engine, language in ((neural, "en"), (espeak, "es")):
        speech = engine.speak(["sol", "1 2 2", "sol"], language)
        assert sum(n.word == 1 for n in nuclei(speech.phones)) == (3 if language == "en" else 4)


def test_a_language_without_a_voice_is_explained(espeak):
    with pytest.raises(GeneratorError, match="tlh") as caught:
        espeak.speak(["qapla"], "tlh")
    assert "language code" in caught.value.step
    assert not espeak_module.has_voice("tlh")
    assert espeak_module.has_voice("es-AR")


def test_espeak_under_a_long_path(tmp_path, monkeypatch):
    """The library cuts paths at 160 bytes."""
    import espeakng_loader

    real = espeakng_loader.get_data_path()
    deep = tmp_path / ("x" * 120) / "espeak-ng-data"
    deep.parent.mkdir()
    deep.symlink_to(real, target_is_directory=True)
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep))
    espeak_module._data.cache_clear()
    try:
        assert len(str(espeak_module._data())) < 120
        assert len(espeak_module.Espeak().speak(["hola"], "es").samples) > 1000
    finally:
        espeak_module._data.cache_clear()


def test_espeak_from_several_threads(espeak):
    usual = espeak.speak(["una", "vez"], "es").samples
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(espeak.speak(["una", "vez"], "es").samples))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(usual, samples) for samples in found)
    assert len(found) == 4


def test_an_inner_tensor_becomes_an_output():
    # A graph of one node, input "a", output "b", operator CumSum, whose output is "c".
    node = b"\x0a\x01a\x12\x01b\x22\x06CumSum"
    graph = b"\x0a" + bytes([len(node)]) + node + b"\x62\x03\x0a\x01c"
    model = b"\x08\x08" + b"\x3a" + bytes([len(graph)]) + graph
    assert inputs_of(model, "CumSum") == [["a"]]
    assert inputs_of(model, "Add") == []
    assert with_output(model, "a") == model + b"\x3a\x05\x62\x03\x0a\x01a"


def _low_band(samples, rate):
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(4, [80, 900], "bandpass", fs=rate, output="sos"), samples)
