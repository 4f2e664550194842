from pathlib import Path

import numpy as np
import pytest

from milonga import audio
from milonga.analysis.report import Report, ReportSection, ReportTrack, write_report
from milonga.audio import Clip

LEVELS = {"Original": -20.0, "guide-s0": -14.0, "guide-s1": -17.0}


@pytest.fixture
def visit(chromium):
    """Opens a page with the network off; at the end nothing may have been logged or asked for."""
    contexts, logged, asked = [], [], []

    def open_page(path, *, width=1280, height=900, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, offline=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: logged.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.on("dialog", lambda dialog: (logged.append("a dialog"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(Path(path).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert logged == []
    assert [url for url in asked if not url.startswith(("file:///", "data:,"))] == []


def tone(hertz, seconds, level_db):
    time = np.arange(round(seconds * 22050)) / 22050
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * hertz * time)
    return Clip(np.array([wave, wave]), 22050)


def build(out, baselines):
    """A song of two segments as a render leaves it, baselines elsewhere."""
    sections = []
    for number, title in ((7, "Digital Bandoneón"), (18, "Caos y Suerte")):
        tracks = []
        for index, (label, level) in enumerate(LEVELS.items()):
            kind = "take" if index else "baseline"
            folder = out / "takes" / f"{number:02d}" if index else baselines / f"{number}"
            path = folder / f"{label}.wav"
            # Long enough that no test reaches the end on a busy machine.
            seconds = 9.0 if label == "guide-s1" else 12.0
            audio.write(path, tone(220 * (index + 2), seconds, level))
            features = {
                "duration_s": seconds,
                "tempo_bpm": 120.0 if index else None,
                "loudness_lufs": level,
                "mfcc_mean": [float(n) for n in range(13)],
                "chroma_mean": [0.5] * 12,
            }
            differences = {
                "duration_diff_s": 0.0,
                "tempo_diff_bpm": None,
                "mfcc_similarity": 0.99 - 0.04 * index,
                "timbre_similarity": 0.8 - 0.1 * index,
                "chroma_similarity": 0.9 - 0.1 * index,
                "loudness_diff_lu": level + 20.0,
            }
            tracks.append(
                ReportTrack(
                    label,
                    path,
                    kind,
                    chosen=label == "guide-s0",
                    findings=[("loop", "It repeats itself.")] if label == "guide-s1" else [],
                    features=features,
                    differences=differences if index else None,
                    receipt={"generator": "guide", "seed": index} if index else None,
                )
            )
        yardsticks = {
            name: {
                "differences": {
                    "mfcc_similarity": mfcc,
                    "timbre_similarity": timbre,
                    "chroma_similarity": chroma,
                }
            }
            for name, mfcc, timbre, chroma in (
                ("self", 1.0, 1.0, 1.0),
                ("silence", 0.7, None, None),
                ("noise", 0.93, 0.3, 0.5),
                ("shuffled", 0.999, 0.99, 0.99),
            )
        }
        details = {"tempo": "122 BPM", "lyrics": "We laugh at the chaos,\nwe play with the luck"}
        sections.append(
            ReportSection(f"{number} · {title}", "tango-trap fusion", details, tracks, yardsticks)
        )
    audio.write(out / "song.wav", tone(330, 16.0, -14.0))
    return Report(
        "Whispers del Futuro",
        "Geeks in the Woods",
        sections,
        ReportTrack("song.wav", out / "song.wav"),
        licences=[
            {"what": "musicgen", "name": "CC-BY-NC 4.0", "commercial_use": "no", "url": ""},
            {"what": "guide", "name": "MIT", "commercial_use": "yes", "url": "https://e.org/"},
        ],
        warnings=["Segment 18 has one take only."],
        made={"milonga": "0.1", "Command": "milonga render song.yaml"},
    )


@pytest.fixture(scope="session")
def song(tmp_path_factory):
    """The page of a report that lies where a render puts it."""
    root = tmp_path_factory.mktemp("song")
    return write_report(build(root / "out", root / "baseline"), root / "out" / "report")
