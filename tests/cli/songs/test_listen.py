"""``milonga listen`` as a user runs it."""

import json
from pathlib import Path

SAMPLES = Path("/usr/share/sonic-pi/samples")
LOOPS = [SAMPLES / f"{name}.flac" for name in ("loop_amen", "loop_garzul")]


def test_a_test_is_made_answered_and_read(milonga, tmp_path):
    out = tmp_path / "test"
    done = milonga("listen", "make", *LOOPS, "-o", out, "--repeats", 4, "--json")
    assert done.status == 0
    made = done.json
    assert made["questions"] == 4
    key = json.loads((out / "key.json").read_text())
    answers = [
        {"trial": t["name"], "choice": "ab"[t["stimuli"][1]["condition"] == "loop_amen"],
         "seconds": 3}
        for t in key["trials"]
    ]  # fmt: skip
    document = {"format_version": 1, "test": made["test"], "kind": "ab", "listener": "Ana",
                "answers": answers}  # fmt: skip
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(document))
    done = milonga("listen", "read", path, "--key", out, "--picture", tmp_path / "r.svg")
    assert done.status == 0
    assert "Too few to say anything" in done.out
    assert "100%" in done.out or "0%" in done.out
    assert (tmp_path / "r.svg").read_text().startswith("<svg")
    done = milonga("listen", "read", path)
    assert done.status == 1
    assert "The key of the test isn't beside the answers." in done.err
    assert "--key FOLDER" in done.err
    done = milonga("listen", "make", *LOOPS, "-o", out)
    assert done.status == 1
    assert "There is a listening test already" in done.err
