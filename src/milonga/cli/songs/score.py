"""``milonga score``: what models say of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, print_table, put, say, show


@click.command()
@click.argument("recordings", metavar="RECORDING...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--lyrics",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with the words that should be heard; takes know theirs.",
)
@click.option("--language", help="Such as en or es; by default that of the lyrics.")
@click.option("--model", help="By default whisper-small; of --match, clap.")
@click.option("--match", is_flag=True, help="Style and mood of the takes in place of words.")
@click.option("--text", help="A description to match: implies --match.")
@click.option("--lrc", type=click.Path(file_okay=False), help="Folder for lyrics with times.")
@click.option("--yardsticks/--no-yardsticks", default=True, help="Score the guide's singing, too.")
@click.option(
    "--stems/--no-stems",
    default=True,
    help="Listen to a take's vocals stem where `milonga edit stems` made one.",
)
@click.option("--facts", is_flag=True, help="Length, tempo, metre, key, chords and voice instead.")
@click.option("--seconds", type=float, help="Length to hold it against; implies --facts.")
@click.option("--tempo", type=float, help="Tempo to hold it against, in BPM; implies --facts.")
@click.option("--time", help="Metre, such as 3/4; implies --facts.")
@click.option("--key", help="Key, such as 'A minor'; implies --facts.")
@click.option("--chords", help="Chords, one a bar, such as 'Am:2 F C'; implies --facts.")
@click.option("--voice", help="Voice: female, male, or none; implies --facts.")
@json_option
def score(
    recordings: tuple[str, ...],
    lyrics: Path | None,
    as_json: bool,
    model: str | None,
    match: bool,
    text: str | None,
    facts: bool,
    seconds: float | None,
    tempo: float | None,
    time: str | None,
    key: str | None,
    chords: str | None,
    voice: str | None,
    **options: Any,
) -> int:
    """Say how many of the words are heard: which are missing, wrong or added, line by line.

    A recogniser (Whisper) writes down what it hears. What its figures are worth is shown by
    yardsticks: the same words sung by the guide, and the guide's band without a voice.

    With --match, a model that hears and reads (CLAP) says whether takes sound like their style and
    mood: nearer than other descriptions, noise and silence do.

    With --facts, recordings are held against what the sheet asked for: met, not met, can't tell.
    """
    asked = {
        "seconds": seconds, "tempo": tempo, "time": time, "key": key, "chords": chords,
        "voice": voice,
    }  # fmt: skip
    if facts or any(value is not None for value in asked.values()):
        return _facts(recordings, asked, as_json)
    if match or text is not None:
        return _match(recordings, text, model, as_json)
    from milonga.songs.sheet.text_file import read_source
    from milonga.workflows.scoring.words import RECOGNISER, score_recordings

    words = None if lyrics is None else read_source(lyrics)
    found = score_recordings(
        recordings, lyrics=words, model=model or RECOGNISER, progress=make_progress(), **options
    )

    def printed() -> None:
        rows = [
            (name, f"{words.recognised:.0%}", f"{words.word_error:.2f}",
             "-" if words.phone_error is None else f"{words.phone_error:.2f}", words.verdict)
            for name, words in (
                *((str(each.path), each.words) for each in found.recordings),
                *found.yardsticks.items(),
            )
        ]  # fmt: skip
        print_table(
            ("", "right", "word error", "phone error", "verdict"), rows,
            right=("right", "word error", "phone error"),
        )  # fmt: skip
        for each in found.recordings:
            if each.heard_in is not None:
                put(f"{each.path}: heard in its voice alone, {each.heard_in.name}")
        for each in found.recordings:
            faults = [line for line in each.words.lines if line.faults]
            if faults and not each.words.no_words:
                put()
                put(each.path)
                for line in faults:
                    at = "" if line.start_s is None else f" ({line.start_s:.1f} s)"
                    put(f"  {line.text}{at}: {line.faults}")
        for name, mean in found.means.items():
            put(f"{name}: mean word error {mean.value:.2f} ({mean.low:.2f} to {mean.high:.2f})")
        say(f"Recogniser: {found.recogniser['model']}, {found.recogniser['licence']}")

    show(found, as_json, printed)
    return 0


def _match(recordings: tuple[str, ...], text: str | None, model: str | None, as_json: bool) -> int:
    from milonga.workflows.scoring.matching import CLAP, match_texts

    progress = make_progress()
    found = match_texts(recordings, text=text, model=model or CLAP, progress=progress)

    def printed() -> None:
        for path, each in found.recordings:
            put(f"{path}: {each.text!r}: {each.rank} of {each.among} (cosine {each.cosine:.2f}; "
                f"others {each.others:.2f}, noise {each.noise:.2f}, silence {each.silence:.2f}). "
                f"{each.verdict}")  # fmt: skip
        say(f"Listener: {found.listener['model']}, {found.listener['licence']}")

    show(found, as_json, printed)
    return 0


def _facts(recordings: tuple[str, ...], asked: dict[str, Any], as_json: bool) -> int:
    from milonga.workflows.scoring.facts import check_facts

    found = check_facts(recordings, progress=make_progress(), **asked)

    def printed() -> None:
        for path, facts in found.recordings:
            put(path)
            rows = [
                (fact.name, fact.asked or "-", fact.heard or "-",
                 "" if fact.confidence is None else f"{fact.confidence:.0%}",
                 fact.verdict or "", fact.about)
                for fact in facts
            ]  # fmt: skip
            print_table(("", "asked", "heard", "sure", "verdict", ""), rows, right=("sure",))

    show(found, as_json, printed)
    return 0
