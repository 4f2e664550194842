"""Synthetic listeners whose preference is known."""

import json

import numpy as np
import pytest

from milonga.analysis.listening.answers import Answer, Answers, find_key, read_answers, read_key
from milonga.analysis.listening.design import design
from milonga.analysis.listening.picture import result_svg
from milonga.analysis.listening.results import evaluate
from milonga.errors import MilongaError

ITEMS = {f"segment {n}": ["bark", "guide"] for n in range(4)}


def prefer(key, who, chance, rng, same=0.0):
    """Answers of a listener who prefers bark (``ab``), or hears X (``abx``), by chance."""
    answers = []
    for trial in key.trials:
        names = [stimulus.condition for stimulus in trial.stimuli[:2]]
        right = trial.answer if key.kind == "abx" else "ab"[names.index("bark")]
        choice = right if rng.random() < chance else {"a": "b", "b": "a"}[right]
        choice = "same" if rng.random() < same else choice
        answers.append(Answer(trial=trial.name, choice=choice, seconds=4))
    return Answers(format_version=1, test=key.test, kind=key.kind, listener=who, answers=answers)


def rate(key, who, rng, levels, spread=8.0):
    answers = []
    for trial in key.trials:
        ratings = {
            s.name: float(np.clip(rng.normal(levels[s.condition], spread), 0, 100))
            if s.condition != "baseline"
            else levels["baseline"]
            for s in trial.stimuli[1:]
        }
        answers.append(Answer(trial=trial.name, ratings=ratings, seconds=9))
    return Answers(format_version=1, test=key.test, kind="mushra", listener=who, answers=answers)


def test_a_known_preference_is_recovered():
    rng = np.random.default_rng(0)
    key = design("ab", ITEMS, seed=1)
    found = evaluate(key, [prefer(key, f"L{n}", 0.8, rng, same=0.1) for n in range(12)])
    (pair,) = found.pairs
    share = pair.share.value if pair.first == "bark" else 1 - pair.share.value
    # 12 listeners x 8 answers at 0.8: a standard error of 0.04.
    assert share == pytest.approx(0.8, abs=0.12)
    assert pair.p < 0.01
    assert pair.verdict == "bark is preferred to guide."
    assert pair.undecided > 0
    assert "<svg" in result_svg(found)


@pytest.mark.parametrize("kind", ["ab", "abx"])
def test_coins_prefer_nothing(kind):
    rng = np.random.default_rng(4)
    key = design(kind, ITEMS, seed=1)
    wrong = 0
    for _ in range(40):
        (pair,) = evaluate(key, [prefer(key, f"L{n}", 0.5, rng) for n in range(8)]).pairs
        wrong += pair.p < 0.05
        assert pair.p < 0.05 or "isn't proof" in pair.verdict
    # At 1 in 20: 2 of 40; six have a chance under 2 %.
    assert wrong <= 5


def test_hearing_a_difference_is_found_and_hearing_it_wrong_is_not_hearing():
    rng = np.random.default_rng(5)
    key = design("abx", {"one": ["bark", "guide"]}, seed=1, repeats=16)
    (pair,) = evaluate(key, [prefer(key, "Ana", 1.0, rng)]).pairs
    assert pair.share.value == 1.0
    assert pair.p == pytest.approx(0.5**16)
    assert pair.verdict == "bark and guide can be told apart." or pair.first == "guide"
    (pair,) = evaluate(key, [prefer(key, f"L{n}", 0.0, rng) for n in range(8)]).pairs
    assert "Nobody showed" in pair.verdict


def test_too_few_answers_say_nothing():
    rng = np.random.default_rng(6)
    key = design("ab", {"one": ["bark", "guide"]}, repeats=4)
    (pair,) = evaluate(key, [prefer(key, "Ana", 1.0, rng)]).pairs
    assert pair.p is None
    assert "at least 6 clear answers (1 listener, 4 answers)" in pair.verdict
    (pair,) = evaluate(key, [prefer(key, f"L{n}", 1.0, rng) for n in range(5)]).pairs
    assert pair.p is None
    assert "at least 6 listeners (5 listeners, 20 answers)" in pair.verdict
    # Six unanimous answers suffice for one pair, but not among three.
    key = design("ab", {"one": ["bark", "guide", "tone"]}, repeats=6)
    given = tuple(Answer(trial=trial.name, choice="a", seconds=9) for trial in key.trials)
    ana = Answers(format_version=1, test=key.test, kind="ab", listener="Ana", answers=given)
    found = evaluate(key, [ana]).pairs
    assert all(pair.p is None and "at least 7 clear answers" in pair.verdict for pair in found)
    (pair,) = evaluate(key, []).pairs or (None,)
    assert pair is None


def test_known_ratings_are_recovered_and_listeners_screened():
    rng = np.random.default_rng(7)
    items = {f"segment {n}": ["baseline", "bark", "guide"] for n in range(5)}
    key = design("mushra", items, reference="baseline")
    levels = {"baseline": 100, "bark": 70, "guide": 45, "low anchor": 15, "mid anchor": 40}
    good = [rate(key, f"L{n}", rng, levels) for n in range(8)]
    deaf = rate(key, "deaf", rng, levels | {"baseline": 60})
    kind = rate(key, "kind", rng, levels | {"mid anchor": 97}, spread=1)
    half = good[0].model_copy(update={"listener": "half", "answers": good[0].answers[:2]})
    hasty = good[1].model_copy(
        update={
            "listener": "hasty",
            "answers": tuple(a.model_copy(update={"seconds": 0.1}) for a in good[1].answers),
        }
    )
    found = evaluate(key, [*good, deaf, kind, half, hasty])
    assert [each.listener for each in found.screened] == ["deaf", "kind", "half", "hasty"]
    assert "hidden reference" in found.screened[0].reason
    for name in ("bark", "guide"):
        # 40 ratings with a spread of 8, cut off at 100: a standard error of 1.3.
        assert found.ratings[name].value == pytest.approx(levels[name], abs=4)
        assert found.ratings[name].low < found.ratings[name].value < found.ratings[name].high
    (pair,) = [p for p in found.pairs if {p.first, p.second} == {"bark", "guide"}]
    # All 256 signs, turned in all three pairs at once: 2 of them.
    assert pair.p == pytest.approx(2 / 256)
    assert pair.verdict == "bark is rated above guide."
    assert next(iter(found.ratings)) == "baseline"


def test_who_answers_twice_counts_once():
    rng = np.random.default_rng(8)
    key = design("ab", ITEMS, seed=1)
    found = evaluate(key, [prefer(key, "Ana", 0.0, rng), prefer(key, "Ana", 1.0, rng)])
    assert found.listeners == ("Ana",)
    (pair,) = found.pairs
    assert {pair.first: pair.share.value, pair.second: 1 - pair.share.value}["bark"] == 1.0


def test_answers_are_read_as_they_were_meant_or_refused(tmp_path):
    key = design("ab", ITEMS, seed=1)
    (tmp_path / "key.json").write_text(key.model_dump_json())
    assert read_key(tmp_path / "key.json") == key
    good = prefer(key, "Ana", 0.5, np.random.default_rng(0))
    path = tmp_path / "in" / "answers-x.json"
    path.parent.mkdir()
    path.write_text(good.model_dump_json())
    assert find_key([path]) == tmp_path / "key.json"
    assert read_answers(path, key) == good
    document = json.loads(good.model_dump_json())
    for change, words in (
        ({"test": "other"}, "another test"),
        ({"listener": ""}, "listener"),
        ({"answers": [{"trial": "nonsense"}]}, "doesn't fit the test"),
        ({"answers": [{"trial": key.trials[0].name, "ratings": {"x": 3}}]}, "doesn't fit the test"),
        ({"answers": [{"trial": key.trials[0].name, "choice": "c"}]}, "can't be used"),
        ({"format_version": 2}, "format_version"),
    ):
        path.write_text(json.dumps(document | change))
        with pytest.raises(MilongaError, match=words):
            read_answers(path, key)
    path.write_text("[" * 999)
    with pytest.raises(MilongaError, match="can't be used"):
        read_answers(path, key)
    with pytest.raises(MilongaError, match="can't be found"):
        read_answers(tmp_path / "none.json", key)
    with pytest.raises(MilongaError, match="the key of the test, which stays with you"):
        read_answers(tmp_path / "key.json", key)
    with pytest.raises(MilongaError, match="isn't beside the answers"):
        find_key([tmp_path / "a" / "b" / "c.json"])
