"""Ogg files that hold several streams, or not all of one."""

import itertools

import numpy as np
import pytest

from milonga.audio import Clip, probe, read, write
from milonga.audio.files import blocks, check
from milonga.audio.reading.opening import ogg_checksum
from milonga.errors import AudioError
from milonga.sounds.corpus.reading import measure

KINDS = [(".ogg", 1, 44100), (".ogg", 2, 48000), (".opus", 1, 48000), (".opus", 6, 48000)]


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ogg")
    found = []
    for suffix, channels, rate in KINDS:
        path = folder / f"{channels}{suffix}"
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, (channels, rate))
        write(path, Clip(noise, rate))
        found.append(path.read_bytes())
    return found


@pytest.mark.parametrize("pair", list(itertools.product(range(4), range(4))))
def test_joined_streams_are_refused_with_the_step(streams, tmp_path, pair):
    path = tmp_path / "radio show.ogg"
    path.write_bytes(b"".join(streams[each] for each in pair))
    for way in (read, probe, lambda path: list(measure(path))):
        with pytest.raises(AudioError, match="Several Ogg streams are joined") as caught:
            way(path)
        assert f"ffmpeg -i '{path}'" in str(caught.value)


@pytest.mark.parametrize("kind", range(4))
def test_a_stream_that_ends_too_early_is_refused(streams, tmp_path, kind):
    path = tmp_path / "a.ogg"
    for size in (len(streams[kind]) // 2, len(streams[kind]) - 1):
        path.write_bytes(streams[kind][:size])
        with pytest.raises(AudioError, match="truncated"):
            read(path)


def pages_of(content):
    at, pages = 0, []
    while at < len(content):
        table = content[at + 27 : at + 27 + content[at + 26]]
        end = at + 27 + len(table) + sum(table)
        pages.append(content[at:end])
        at = end
    return pages


def promising(page, more):
    """Raise the position that a page names, with the checksum that fits."""
    place = int.from_bytes(page[6:14], "little") + more
    page = page[:6] + place.to_bytes(8, "little") + page[14:22] + bytes(4) + page[26:]
    return page[:22] + ogg_checksum(page) + page[26:]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.ogg"
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 3 * 44100))
    write(path, Clip(noise, 44100))
    return path.read_bytes()


def test_a_page_is_summed_as_its_writer_did(whole):
    for page in pages_of(whole):
        assert ogg_checksum(page[:22] + bytes(4) + page[26:]) == page[22:26]


def test_a_header_that_promises_a_part_of_a_block_more_is_read(whole, tmp_path):
    path = tmp_path / "a.ogg"
    path.write_bytes(whole)
    plain = read(path)
    *pages, last = pages_of(whole)
    path.write_bytes(b"".join([*pages, promising(last, 100)]))
    found = read(path)
    # The last block goes on a little after the end that the page had named.
    assert plain.n_samples <= found.n_samples < probe(path).n_samples == plain.n_samples + 100
    assert np.array_equal(found.samples[:, : plain.n_samples], plain.samples)
    assert sum(len(block) for block in blocks(path)) == found.n_samples
    check(path)


def test_far_more_promised_than_there_is_is_refused(whole, tmp_path):
    *pages, last = pages_of(whole)
    path = tmp_path / "a.ogg"
    path.write_bytes(b"".join([*pages, promising(last, 20_000)]))
    with pytest.raises(AudioError, match="truncated"):
        read(path)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("lost", "it lacks 1 of its pages before page"),
        ("its mark", "it lacks 1 of its pages before page"),
        ("its sound", "isn't what was written"),
    ],
)
@pytest.mark.parametrize("before_end", [1, 2, 3])
def test_a_stream_with_a_hole_is_refused_though_it_decodes(whole, tmp_path, harm, said, before_end):
    pages = pages_of(whole)
    page = pages[-1 - before_end]
    harmed = {"lost": b"", "its mark": b"oggs" + page[4:], "its sound": page[:-40] + bytes(40)}
    pages[-1 - before_end] = harmed[harm]
    path = tmp_path / "field recording.ogg"
    path.write_bytes(b"".join(pages))
    for way in (read, probe, check):
        with pytest.raises(AudioError, match=f"damaged: .*{said}") as caught:
            way(path)
        assert f"ffmpeg -i '{path}'" in caught.value.step


def test_what_lies_between_and_behind_pages_is_passed_over(whole, tmp_path):
    path = tmp_path / "a.ogg"
    pages = pages_of(whole)
    junk = b"Ogg" + bytes(70_000) + b"OggOg"
    path.write_bytes(b"".join([*pages[:3], junk, *pages[3:], b"TAG", bytes(125)]))
    assert read(path).n_samples == 3 * 44100
