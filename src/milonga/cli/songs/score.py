"""``milonga score``: what can be said of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_table, put, say, show

if TYPE_CHECKING:
    from milonga.analysis.scores.aesthetics import Aesthetics
    from milonga.analysis.scores.text_match import TextMatch
    from milonga.workflows.scoring.facts import HeldRecordings
    from milonga.workflows.scoring.models import Heard
    from milonga.workflows.scoring.words import Scores

_ASKED = ("seconds", "tempo", "time", "key", "chords", "voice")


@click.command()
@click.argument("recordings", metavar="RECORDING...", nargs=-1, required=True, type=click.Path())
@click.option("--facts", is_flag=True, help="Only length, tempo, metre, key, chords and voice.")
@click.option("--words", is_flag=True, help="Only words that are heard.")
@click.option("--match", is_flag=True, help="Only style and mood.")
@click.option("--ratings", is_flag=True, help="Only ratings, as listeners would give them.")
@click.option(
    "--lyrics",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with the words that should be heard; takes know theirs.",
)
@click.option("--language", help="Such as en or es; by default that of the lyrics.")
@click.option("--text", help="The description to match, such as 'tango, bandoneón and violin'.")
@click.option("--seconds", type=float, help="Length to hold it against; takes know theirs.")
@click.option("--tempo", type=float, help="Tempo to hold it against, in BPM.")
@click.option("--time", help="Metre to hold it against, such as 3/4.")
@click.option("--key", help="Key to hold it against, such as 'A minor'.")
@click.option("--chords", help="Chords, one a bar, such as 'Am:2 F C'.")
@click.option("--voice", help="Voice: female, male, or none.")
@click.option(
    "--model", help="By default whisper-small; with --match clap, with --ratings aesthetics."
)
@click.option("--lrc", type=click.Path(file_okay=False), help="Folder for lyrics with times.")
@click.option("--yardsticks/--no-yardsticks", default=True, help="Score the guide's singing, too.")
@click.option(
    "--stems/--no-stems",
    default=True,
    help="Listen to a take's vocals stem where `milonga edit stems` made one.",
)
@json_option
def score(
    recordings: tuple[str, ...],
    facts: bool,
    words: bool,
    match: bool,
    ratings: bool,
    lyrics: Path | None,
    model: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Say all that can be told of recordings: what the sheet asked for, words, style, ratings.

    Facts are met, not met, or can't be told. A recogniser (Whisper) says which words are missing,
    wrong or added, line by line. A model that hears and reads (CLAP) says whether a take sounds
    like its style and mood, another one (audiobox-aesthetics) how listeners would rate it. Every
    figure of a model comes with yardsticks.

    Models that are on this machine are used; --words, --match or --ratings downloads its own.

    \b
    milonga score out/takes/18-caos-y-suerte/vocals/bark-s0.wav
    milonga score song.wav --facts --tempo 122 --time 4/4
    """
    from milonga.songs.sheet.text_file import read_source
    from milonga.workflows.scoring.everything import Part
    from milonga.workflows.scoring.everything import score as score_all

    chosen: dict[Part, bool] = {"facts": facts, "words": words, "match": match, "ratings": ratings}
    parts = [part for part, wanted in chosen.items() if wanted]
    heard_by: Part = "match" if parts == ["match"] else "ratings" if parts == ["ratings"] \
        else "words"  # fmt: skip
    asked = {name: options.pop(name) for name in _ASKED}
    found = score_all(
        recordings, parts=parts, asked={name: v for name, v in asked.items() if v is not None},
        lyrics=None if lyrics is None else read_source(lyrics),
        models={heard_by: model} if model else None, progress=make_progress(), **options,
    )  # fmt: skip

    def printed() -> None:
        if found.facts is not None:
            _put_facts(found.facts)
        if found.words is not None:
            _put_words(found.words)
        if found.match is not None:
            _put_match(found.match)
        if found.ratings is not None:
            _put_ratings(found.ratings)
        for name, why in found.left_out.items():
            say(f"Without {name}: {why}.")

    show(found, as_json, printed)
    return 0


def _put_facts(found: HeldRecordings) -> None:
    for path, facts in found.recordings:
        put(path)
        rows = [
            (fact.name, fact.asked or "-", fact.heard or "-",
             "" if fact.confidence is None else f"{fact.confidence:.0%}",
             fact.verdict or "", fact.about)
            for fact in facts
        ]  # fmt: skip
        print_table(("", "asked", "heard", "sure", "verdict", ""), rows, right=("sure",))


def _put_words(found: Scores) -> None:
    put()
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


def _put_match(found: Heard[TextMatch]) -> None:
    put()
    for path, each in found.recordings:
        put(f"{path}: {each.text!r}: {each.rank} of {each.among} (cosine {each.cosine:.2f}; "
            f"others {each.others:.2f}, noise {each.noise:.2f}, silence {each.silence:.2f}). "
            f"{each.verdict}")  # fmt: skip
    say(f"Listener: {found.listener['model']}, {found.listener['licence']}")


def _put_ratings(found: Heard[Aesthetics]) -> None:
    put()
    for path, each in found.recordings:
        put(path)
        rows = [
            (name, *(f"{figures[name]:.1f}" for figures in (
                each.figures, each.noise, each.silence, each.opening, each.spoilt)))
            for name in each.figures
        ]  # fmt: skip
        columns = ("", "of 10", "noise", "silence", "its first 30 s", "... without all above 1 kHz")
        print_table(columns, rows, right=columns[1:])
        put(each.verdict)
    say(f"Rated by: {found.listener['model']}, {found.listener['licence']}")
