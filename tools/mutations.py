"""The mutations that ``tools/mutate.py`` tries: faults that would hurt a user without a word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """A fault to plant.

    Attributes:
        name: short, unique.
        path: of the module, from the project's folder.
        find: a text that stands once in it.
        replace: what stands there instead.
        tests: arguments of pytest that must notice.
        harm: the consequence for a user.
    """

    name: str
    path: str
    find: str
    replace: str
    tests: tuple[str, ...]
    harm: str


def _faults(path: str, tests: str, *faults: tuple[str, str, str, str]) -> list[Mutation]:
    """Mutations of one module with the same tests: name, text, replacement, harm."""
    return [
        Mutation(name, f"src/milonga/{path}", find, replace, tuple(tests.split()), harm)
        for name, find, replace, harm in faults
    ]


MUTATIONS: tuple[Mutation, ...] = (
    # What a user has on disk.
    *_faults(
        "runtime/files.py",
        "tests/runtime/test_files.py",
        (
            "write-not-atomic",
            'part = target.with_name(f".part-{secrets.token_hex(4)}-{target.name}")',
            "part = target",
            "A killed process leaves half a file where a whole one was.",
        ),
        (
            "live-parts-swept",
            "if locked or time.time() - part.stat().st_mtime > _STALE_S:",
            "if True:",
            "Where files can't be locked, one run removes what another is writing.",
        ),
        (
            "parts-not-locked-apart",
            "fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)",
            "fcntl.LOCK_SH | (0 if wait else fcntl.LOCK_NB)",
            "Two runs in one folder: one removes what the other is writing.",
        ),
        (
            "write-not-flushed",
            "os.fsync(handle.fileno())",
            "pass",
            "A power cut leaves an empty file under the right name.",
        ),
        (
            "json-with-nan",
            "allow_nan=False",
            "allow_nan=True",
            "Reports hold NaN, which no other program reads.",
        ),
    ),
    # Downloads.
    *_faults(
        "weights/hub/retries.py",
        "tests/weights/test_faults.py::test_503_always",
        (
            "retries-never-counted",
            "self._failures += 1",
            "self._failures += 0",
            "A download from a broken server never ends.",
        ),
    ),
    *_faults(
        "weights/hub/download.py",
        "tests/weights/test_faults.py tests/weights/test_resume.py",
        (
            "download-hash-ignored",
            "found.sha256 != self._file.sha256:",
            "False:",
            "A damaged or changed model is used without a word.",
        ),
        (
            "small-file-hash-ignored",
            "found.git_sha1 != self._file.git_sha1:",
            "False:",
            "A changed configuration is used without a word.",
        ),
        (
            "resumes-wrong-range",
            'place.startswith(f"bytes {start}-")',
            'place.startswith("bytes ")',
            "A server that sends another part than asked costs the download.",
        ),
        (
            "progress-of-nothing-counts",
            "if target.size > furthest:",
            "if target.size > 0:",
            "A connection that always breaks at one place is tried for ever.",
        ),
    ),
    *_faults(
        "weights/hub/access.py",
        "tests/weights/test_access.py",
        (
            "gated-called-missing",
            "return _no_token(repo) if gated else _not_found(repo)",
            "return _not_found(repo)",
            "A gated model is reported as missing; nobody says how to get access.",
        ),
        (
            "rejected-called-no-access",
            'if "rejected" in words:',
            'if "never" in words:',
            "A user whose request was rejected is told to accept the licence again.",
        ),
    ),
    *_faults(
        "weights/cache/disk.py",
        "tests/weights/test_disk.py tests/weights/test_ensure.py",
        (
            "space-not-checked",
            "if needed + min(SPARE, needed // 20) > free:",
            "if needed > 1 << 60:",
            "A download fills the disk before it fails.",
        ),
    ),
    *_faults(
        "weights/cache/layout.py",
        "tests/weights/test_ensure.py",
        (
            "path-climbs",
            'any(part in ("", ".", "..") for part in path.split("/"))',
            'any(part in ("", ".") for part in path.split("/"))',
            "A hostile listing writes files outside the cache.",
        ),
    ),
    *_faults(
        "weights/verification.py",
        "tests/weights/test_verification.py",
        (
            "verify-sees-no-change",
            "if found.sha256 != file.sha256:",
            "if False:",
            "weights verify calls a damaged model good.",
        ),
    ),
    *_faults(
        "weights/loading.py",
        "tests/weights/test_loading.py",
        (
            "pickle-runs-code",
            "weights_only=True",
            "weights_only=False",
            "A downloaded checkpoint runs code on the user's machine.",
        ),
    ),
    # Rendering.
    *_faults(
        "songs/rendering/render.py",
        "tests/songs/rendering/test_render.py",
        (
            "last-attempt-kept",
            "if best is None or len(attempt.findings) < len(best[1].findings):",
            "if True:",
            "A take with more defects is kept instead of the one with fewest.",
        ),
        (
            "good-take-tried-again",
            "if not attempt.findings:",
            "if False:",
            "Every take is rendered three times.",
        ),
        (
            "damaged-take-kept",
            "if not same or samples_sha256(clip) != receipt.sound.sha256:",
            "if not same:",
            "A take whose audio was changed passes for what its receipt says.",
        ),
    ),
    *_faults(
        "songs/rendering/receipts.py",
        "tests/songs/rendering/test_takes.py tests/songs/rendering/test_render.py",
        (
            "attempts-share-a-seed",
            'hashlib.sha256(f"{seed}/{attempt}".encode()).digest()',
            'hashlib.sha256(f"{attempt}".encode()).digest()',
            "Takes that are tried again are the same whatever their seed.",
        ),
        (
            "clipping-take-not-lowered",
            'gain = 1.0 if clip.peak <= 1.0 or subtype == "FLOAT" else 0.999 / clip.peak',
            "gain = 1.0",
            "A take beyond full scale is clipped on writing, or refused after the work.",
        ),
    ),
    *_faults(
        "songs/rendering/takes.py",
        "tests/songs/rendering/test_takes.py tests/songs/rendering/test_plan.py "
        "tests/songs/rendering/test_render.py",
        (
            "stale-take-kept",
            "if same_request(receipt.request, request) and",
            "if receipt.request.role == request.role and",
            "A take of an older sheet is taken for one of today's.",
        ),
        (
            "takes-in-no-order",
            "index = rank.get(receipt.generator, len(order))",
            "index = 0",
            "The mix uses a generator that the sheet names last.",
        ),
        (
            "seeds-in-no-order",
            "return index, other, receipt.seed,",
            "return index, other, -receipt.seed,",
            "Take 10 comes before take 2, in the mix and in the list.",
        ),
        (
            "take-overwritten",
            'return damaged or (f"{base}.{last + 1}" if last else base)',
            "return base",
            "A take made for an earlier state of the sheet is overwritten.",
        ),
        (
            "option-hash-forgets-values",
            "text = json.dumps(options, sort_keys=True",
            "text = json.dumps(sorted(options), sort_keys=True",
            "Takes with other options overwrite each other.",
        ),
    ),
    *_faults(
        "songs/output/folder.py",
        "tests/songs/output/test_folder.py",
        (
            "mix-uses-takes-with-findings",
            "[take for take in takes if take.usable]",
            "[take for take in takes if not take.stale]",
            "A silent or clipped take is mixed where a good one is there.",
        ),
        (
            "stale-take-mixed",
            "[take for take in takes if take.usable]",
            "[take for take in takes if take.receipt.good]",
            "A take of an earlier state of the sheet is mixed unseen.",
        ),
        (
            "choice-forgotten",
            "take = next((take for take in takes if take.name == choice), None)",
            "take = None",
            "The mix ignores the take that the user chose.",
        ),
    ),
    *_faults(
        "songs/output/mix.py",
        "tests/songs/output/test_mix.py",
        (
            "segments-not-balanced",
            "gains.append(_REFERENCE_LUFS - mean - distance + kept + take.gain_db)",
            "gains.append(take.gain_db)",
            "One generator's segments are far louder than another's.",
        ),
        (
            "gain-sign",
            "distance + kept + take.gain_db",
            "distance + kept - take.gain_db",
            "gain_db: -6 makes a layer louder.",
        ),
        (
            "joins-click",
            "rising = quarter_sine(count)",
            "rising = np.ones(count, np.float32)",
            "The end of each segment swells and clicks at the join.",
        ),
    ),
    *_faults(
        "analysis/statistics.py",
        "tests/analysis/test_statistics.py",
        (
            "groups-not-drawn-whole",
            "means = group_means(values, groups)",
            "means = np.asarray(values, float)",
            "Ten answers of one listener count as ten listeners.",
        ),
        (
            "one-sided-flips",
            "flipped = np.abs(signs @ means.T)",
            "flipped = signs @ means.T",
            "Differences that aren't there are found twice as often.",
        ),
        (
            "flips-not-corrected",
            "largest = np.maximum.accumulate(flipped[:, order[::-1]], axis=1)[:, ::-1]",
            "largest = flipped[:, order]",
            "Of fifteen pairs of equal sounds one is often called better.",
        ),
        (
            "comparisons-not-corrected",
            "(count - rank) * p_values[index]",
            "p_values[index]",
            "Of many figures one always differs.",
        ),
    ),
    *_faults(
        "analysis/listening/results.py",
        "tests/analysis/listening/test_results.py",
        (
            "deaf-listeners-count",
            "if low > most:",
            "if False:",
            "Who doesn't hear the hidden reference is believed.",
        ),
        (
            "few-listeners-conclude",
            "if several or len(values) < FEWEST_PAIRS:",
            "if len(values) < FEWEST_PAIRS:",
            "Answers of five listeners are taken for independent ones.",
        ),
    ),
    *_faults(
        "analysis/listening/sounds.py",
        "tests/analysis/listening/test_sounds.py",
        (
            "loudness-of-mono",
            "resample(clip.with_channels(2), rate)",
            "resample(clip, rate)",
            "A mono recording is heard 3 dB louder than a stereo one.",
        ),
        (
            "x-gives-itself-away",
            "dithered = clip.samples + rng",
            "dithered = clip.samples + 0 * rng",
            "The bytes of X are those of A.",
        ),
    ),
    *_faults(
        "analysis/words/alignment.py",
        "tests/analysis/words/test_alignment.py",
        (
            "unlike-words-meet",
            "return 1.0 + _NEAR * (1.0 - shared) / 1e4",
            "return 1.0",
            "The wrong word is held against a missing one.",
        ),
    ),
    *_faults(
        "analysis/words/score.py",
        "tests/analysis/words/test_score.py",
        (
            "invented-words-count",
            "return self.recognised < _SOME",
            "return not self.heard",
            "What a recogniser invents over music counts as singing.",
        ),
    ),
    *_faults(
        "analysis/sets.py",
        "tests/analysis/test_sets.py",
        (
            "kernel-distance-biased",
            "(w @ kernel @ w - (w * w) @ np.diag(kernel)) / (w.sum() ** 2 - w @ w)",
            "(w @ kernel @ w) / (w.sum() ** 2)",
            "Small sets are always far from each other.",
        ),
        (
            "small-sets-accepted",
            "if min(sizes) >= max(need, _FEWEST_KERNEL):",
            "if min(sizes) >= _FEWEST_KERNEL:",
            "A covariance of fewer recordings than numbers is believed.",
        ),
    ),
    *_faults(
        "analysis/study/summary.py",
        "tests/analysis/study/test_summary.py",
        (
            "takes-for-segments",
            "units = [place[:2] if segments >= FEWEST_PAIRS else place for place in both]",
            "units = list(both)",
            "Many takes of few segments are taken for many segments.",
        ),
    ),
    *_faults(
        "songs/rendering/plan.py",
        "tests/songs/rendering/test_plan.py",
        (
            "full-disk-not-seen",
            "free < self.bytes_needed",
            "free < 0",
            "A render of hours fails when the disk is full.",
        ),
        (
            "missing-baseline-not-seen",
            "elif needed:",
            "elif False:",
            "A missing baseline is found after the render, not before.",
        ),
    ),
    *_faults(
        "songs/sheet/yaml_reader.py",
        "tests/songs/sheet/test_load.py::TestHostileInput::test_an_alias_bomb_of_text",
        (
            "aliases-unfold",
            "if self._nodes > NODE_LIMIT or self._characters > TEXT_LIMIT:",
            "if False:",
            "A hostile sheet of a few lines takes all memory.",
        ),
    ),
    *_faults(
        "songs/sheet/yaml_reader.py",
        "tests/songs/sheet/test_load.py",
        (
            "deep-nesting",
            "if self._depth > DEPTH_LIMIT:",
            "if False:",
            "A hostile sheet ends in a traceback.",
        ),
        (
            "second-field-wins",
            "            if name in seen:\n",
            "            if False:\n",
            "A field that stands twice is taken silently from one of its places.",
        ),
    ),
    *_faults(
        "songs/sheet/lyrics.py",
        "tests/songs/sheet/test_load.py",
        (
            "directions-sung",
            "            depth += 1\n        elif",
            "            depth += 0\n        elif",
            "Stage directions in brackets are sung.",
        ),
        (
            "open-bracket-not-seen",
            "return \"a '[' is not closed on its line\" if depth else None",
            "return None",
            "The rest of a line after a lost bracket is silently not sung.",
        ),
    ),
    # Sound as such.
    *_faults(
        "audio/clip.py",
        "tests/audio/test_clip.py",
        (
            "nan-accepted",
            "if not all_finite(kept):",
            "if False:",
            "NaN spreads through mixes and comparisons.",
        ),
    ),
    *_faults(
        "audio/layout.py",
        "tests/audio/test_layout.py tests/audio/test_loudness_oracle.py",
        (
            "downmix-drops-centre",
            'left, right = "L" in place, "R" in place',
            'left, right = "L" in place, "L" not in place',
            "The voice in the centre of a 5.1 file is heard on the right alone.",
        ),
        (
            "lfe-in-the-loudness",
            '0.0 if place == "LFE" else ',
            "",
            "A film's bass effects make its mix seem louder than it is.",
        ),
        (
            "surround-weights",
            "_SURROUND = 1.41",
            "_SURROUND = 1.0",
            "Surround files are measured too quiet.",
        ),
    ),
    *_faults(
        "audio/limiter.py",
        "tests/audio/test_limiter.py",
        (
            "gain-not-smoothed",
            "smooth = _seen(_released(held, release), clip.n_samples, ahead, _average)",
            "smooth = _released(held, release)",
            "The limiter distorts loud passages.",
        ),
        (
            "no-release",
            "_seen(_released(held, release), ",
            "_seen(held, ",
            "The limiter pumps within single periods.",
        ),
    ),
    *_faults(
        "audio/reading/opening.py",
        "tests/audio/reading/test_ogg.py",
        (
            "ogg-page-lost",
            "if (lost := place - last.get(stream, place) - 1) > 0:",
            "if (lost := place - last.get(stream, place) - 1) > 99:",
            "A recording with a hole is used as if it were whole.",
        ),
        (
            "ogg-page-damaged",
            "if ogg_checksum(page[:22] + bytes(4) + page[26:]) != page[22:26]:",
            "if False:",
            "A damaged recording is used as if it were whole.",
        ),
    ),
    *_faults(
        "vocoders/inversion.py",
        "tests/vocoders/test_griffin_lim.py",
        (
            "inverse-not-rounded",
            "step * np.round(inverse / step)",
            "inverse",
            "Another number of threads plays another sound.",
        ),
    ),
    *_faults(
        "sounds/model/play_settings.py",
        "tests/generators/sound/test_generator.py",
        (
            "short-likeness",
            "if seconds < SHORTEST_S:",
            "if seconds < 0:",
            "A click is played again as 12 ms of anything.",
        ),
    ),
    *_faults(
        "audio/loudness.py",
        "tests/audio/test_loudness.py tests/audio/test_loudness_oracle.py",
        (
            "no-relative-gate",
            "gated = gated[gated > gated.mean() * 10 ** (_RELATIVE_GATE / 10)]",
            "gated = gated[gated > 0]",
            "Songs with quiet parts are measured too quiet and made too loud.",
        ),
        (
            "no-absolute-gate",
            "gated = blocks[blocks > _power(_ABSOLUTE_GATE)]",
            "gated = blocks[blocks > 0]",
            "Near silence counts as music.",
        ),
        (
            "no-high-pass",
            "_shelf(hertz) * _high_pass(hertz, sample_rate)",
            "_shelf(hertz)",
            "Bass counts too much in the loudness.",
        ),
        (
            "true-peak-of-samples",
            "best = max(known, float(rough.max()))",
            "return known",
            "Peaks between samples are missed; players clip.",
        ),
    ),
    *_faults(
        "audio/dither.py",
        "tests/audio/test_dither.py",
        (
            "dither-one-sided",
            "steps += draws[..., 0] - draws[..., 1]",
            "steps += draws[..., 0] - 0.5",
            "Quiet tones are distorted: dither of the wrong shape.",
        ),
    ),
    *_faults(
        "audio/resampling.py",
        "tests/audio/test_resampling.py",
        (
            "length-off-by-one",
            "length = round(samples.shape[1] * to / rate)",
            "length = int(samples.shape[1] * to / rate)",
            "Stems of one song differ in length by a sample.",
        ),
        (
            "low-quality",
            'quality="VHQ"',
            'quality="QQ"',
            "Resampling dulls and folds high notes.",
        ),
    ),
    *_faults(
        "audio/mel/filters.py",
        "tests/audio/mel",
        (
            "mel-norm",
            "bank *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]",
            "bank *= (1.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]",
            "Every vocoder gets mels that are 6 dB too quiet.",
        ),
    ),
    # Judging takes and recordings.
    *_faults(
        "analysis/checks/defects.py",
        "tests/analysis/test_take_checks.py",
        (
            "silence-passes",
            "_QUIETEST_LUFS = -50.0",
            "_QUIETEST_LUFS = -90.0",
            "Takes that are as good as silent count as good.",
        ),
        (
            "half-silence-passes",
            "_SILENT_SHARE = 0.05, -60.0, 0.5",
            "_SILENT_SHARE = 0.05, -60.0, 0.95",
            "A take that stops in its middle counts as good.",
        ),
        (
            "dead-channel-passes",
            "if not len(dead):",
            "if True:",
            "A take with one dead channel counts as good.",
        ),
    ),
    *_faults(
        "analysis/verdicts/judge.py",
        "tests/analysis/verdicts",
        (
            "impostors-not-asked",
            "    if value <= score:\n",
            "    if False:\n",
            "A figure that noise reaches, too, speaks for a take.",
        ),
        (
            "means-count-alone",
            "if not any(verdicts[name].counts for name in COURSES if name in verdicts):",
            "if False:",
            "A take of another song counts as alike for its mean colour.",
        ),
    ),
    *_faults(
        "analysis/pairs/ground.py",
        "tests/analysis/pairs/test_ground.py",
        (
            "rests-have-a-spectrum",
            "chosen = seen.spectrum[part][seen.sounding[part]].astype(np.float64)",
            "chosen = seen.spectrum[part].astype(np.float64)",
            "A take with a rest more sounds darker in the figures.",
        ),
    ),
    *_faults(
        "analysis/checks/remarks.py",
        "tests/analysis/checks/test_remarks.py",
        (
            "noise-passes-for-music",
            "if music and clip.seconds >= _NO_MUSIC_S:",
            "if False:",
            "A model that writes noise where music was asked for has made a good take.",
        ),
    ),
    *_faults(
        "analysis/checks/loops.py",
        "tests/analysis/checks/test_loops.py",
        (
            "music-called-stuck",
            "return bool(mel[:, heard].std(axis=0).mean() <= _STEADY_DB)",
            "return True",
            "Held chords are called stuck and thrown away.",
        ),
    ),
    *_faults(
        "analysis/differences.py",
        "tests/analysis/test_comparison.py",
        (
            "spread-of-two",
            "_LEAST_FOR_INTERVAL = 3",
            "_LEAST_FOR_INTERVAL = 2",
            "Two takes get a spread, which says nothing.",
        ),
        (
            "difference-sign",
            "loudness_diff_lu=_changes(baseline.loudness_lufs, candidate.loudness_lufs)[0]",
            "loudness_diff_lu=_changes(candidate.loudness_lufs, baseline.loudness_lufs)[0]",
            "A candidate that is louder is called quieter.",
        ),
    ),
    *_faults(
        "analysis/yardsticks.py",
        "tests/analysis/test_yardsticks.py",
        (
            "noise-is-white",
            "made = _filtered(white, _response(spectrum))",
            "made = white.copy()",
            "The yardstick is far easier to beat than it says.",
        ),
        (
            "shuffle-keeps-order",
            "return np.roll(order, 1) if (order == np.arange(count)).all() else order",
            "return np.arange(count)",
            "The shuffled yardstick is the baseline itself.",
        ),
    ),
    *_faults(
        "analysis/tempo.py",
        "tests/analysis/test_tempo_tuning.py tests/analysis/test_features.py",
        (
            "no-tempo-prior",
            "strength + prior",
            "strength",
            "The tempo is reported at half or double.",
        ),
    ),
    # Vocoders.
    *_faults(
        "vocoders/bigvgan/chunks.py",
        "tests/vocoders/test_streaming.py",
        (
            "chunk-borders",
            "reach = max(reach, total)",
            "reach = max(reach, total // 2)",
            "Long takes click at the borders of chunks.",
        ),
        (
            "chunk-start",
            "start = (span.start + padding - kernel) // rate + 1",
            "start = (span.start + padding - kernel) // rate + 2",
            "Long takes click at the borders of chunks.",
        ),
    ),
    *_faults(
        "compute/convolutions/kernels/gemm.py",
        "tests/vocoders/test_kernels.py tests/vocoders/test_bigvgan.py",
        (
            "kernel-tail",
            'e.loop(few, args["rows"], 1, lambda row, _: strip(1, row))',
            "pass",
            "The last samples of a stage are whatever memory held.",
        ),
    ),
    *_faults(
        "vocoders/bigvgan/fast.py",
        "tests/vocoders/test_streaming.py tests/vocoders/test_bigvgan.py",
        (
            "stale-margin",
            "whole[margin + start + size : 2 * margin + start + size] = 0.0",
            "pass",
            "A take's end holds what an earlier, longer one left in memory.",
        ),
    ),
    *_faults(
        "vocoders/mel_adapter.py",
        "tests/vocoders/test_mel_adapter.py",
        (
            "mel-level",
            "return energy_gain * self._resampled(spectrum)",
            "return self._resampled(spectrum)",
            "Sounds come out at the wrong level from a vocoder of another convention.",
        ),
        (
            "mel-times",
            'offset = 0.0 if spec.padding == "centre" else spec.hop / 2',
            "offset = 0.0",
            "Sounds come out late by half a hop.",
        ),
    ),
    # Sound models.
    *_faults(
        "sounds/train_model.py",
        "tests/sounds/test_train_model.py::"
        "test_a_restart_takes_the_place_of_what_was_there_when_it_is_done",
        (
            "restart-in-place",
            "beside = restart and not more",
            "beside = False",
            "A training that begins anew destroys the model's training before it is done.",
        ),
    ),
    *_faults(
        "sounds/model/header.py",
        "tests/sounds/model/test_provenance.py",
        (
            "provenance-shrinks",
            'files += [file.model_copy(update={"absent": True}) for file in gone]',
            "files += []",
            "A model that learnt more conceals what it had learnt before, from others' recordings.",
        ),
    ),
    *_faults(
        "sounds/train_model.py",
        "tests/sounds/test_train_model.py::"
        "test_another_corpus_or_other_settings_do_not_take_the_name",
        (
            "other-model-replaced",
            "if self.folder.model.exists() and not wanted.adds:",
            "if False:",
            "A training replaces a model of the same name without being told to.",
        ),
    ),
    *_faults(
        "sounds/corpus/split.py",
        "tests/sounds/corpus",
        (
            "validation-leaks",
            'yield "train", 0, samples - held - gap',
            'yield "train", 0, samples',
            "A model is tested on what it learnt from, and seems better than it is.",
        ),
        (
            "duplicates-split",
            "together = [tuple(keys[name] for name in group) for group in corpus.alike]",
            "together = []",
            "Copies of one recording stand on both sides of the test.",
        ),
    ),
    *_faults(
        "sounds/corpus/split.py",
        "tests/sounds/library/test_generated.py::test_generated_files_are_never_for_validation",
        (
            "generated-validates",
            'parts |= dict.fromkeys(made, "train")',
            "pass",
            "A model is judged by what a model made.",
        ),
    ),
    *_faults(
        "sounds/model/player.py",
        "tests/sounds/model/test_player.py",
        (
            "control-sign",
            "offset[index] = value * self._spread[index]",
            "offset[index] = -value * self._spread[index]",
            "Every slider works backwards.",
        ),
        (
            "seed-ignored",
            "draw = np.random.default_rng([request.seed, 5, number])",
            "draw = np.random.default_rng([0, 5, number])",
            "Every seed plays the same walk.",
        ),
    ),
    *_faults(
        "sounds/model/file.py",
        "tests/sounds/model/test_file.py",
        (
            "control-characters",
            "if _printable(values) != values:",
            "if False:",
            "A stranger's model takes over the terminal.",
        ),
        (
            "nan-tensors",
            "if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):",
            "if False:",
            "A damaged model plays NaN.",
        ),
        (
            "architecture-bomb",
            "if least > sum(tensor.numel() for tensor in tensors.values()):",
            "if False:",
            "A small hostile file takes all memory.",
        ),
    ),
    *_faults(
        "sounds/library/history_ledger.py",
        "tests/sounds/library/test_history.py",
        (
            "pinned-pruned",
            "if sound.exists() and not (folder / PINNED).exists():",
            "if sound.exists():",
            "A pinned sound is deleted for room.",
        ),
        (
            "number-given-twice",
            "self.last = known.last",
            "self.last = 0",
            "A new sound gets the number of a deleted one.",
        ),
        (
            "ledger-always-believed",
            "if known is not None and known.changed == changed:",
            "if known is not None:",
            "Sounds are deleted for room that nothing takes any more.",
        ),
    ),
    *_faults(
        "sounds/library/presets.py",
        "tests/sounds/library/test_presets.py",
        (
            "preset-of-lost-control",
            "elif not about.enabled:",
            "elif False:",
            "A preset asks a model for what it can't do any more.",
        ),
        (
            "preset-of-old-axes",
            "if settings.axes and not same:",
            "if False:",
            "A preset moves along other axes than when it was saved.",
        ),
    ),
    # Generators.
    *_faults(
        "runtime/seeding.py",
        "tests/runtime/test_seeding.py",
        (
            "global-seed-left",
            "random.setstate(before)",
            "pass",
            "A render changes what the caller's own program draws.",
        ),
        (
            "large-seeds-alike",
            'int.from_bytes(sha256(str(seed).encode()).digest()[:4], "big")',
            "0",
            "Large seeds all give the same take.",
        ),
    ),
    *_faults(
        "generators/bark/joining.py",
        "tests/generators/bark/test_voices_and_joins.py",
        (
            "join-cuts-hard",
            "piece[:count] *= ramp",
            "pass",
            "Parts of a long take click where they meet.",
        ),
    ),
    *_faults(
        "generators/guide/voice/alignment.py",
        "tests/generators/guide/voice/test_alignment.py",
        (
            "consonants-late",
            "start = max(earliest_s, first.start_s - lead)",
            "start = max(earliest_s, first.start_s)",
            "The voice comes in late: consonants stand on the beat, vowels after it.",
        ),
        (
            "vowel-swallowed",
            "return end - min(consonants, _CONSONANT_SHARE * (end - start))",
            "return end - consonants",
            "In fast passages the vowels vanish.",
        ),
    ),
    *_faults(
        "generators/guide/tune/rhythm.py",
        "tests/generators/guide/tune/test_melody.py tests/generators/guide/test_arrange.py",
        (
            "stress-ignored",
            "return 1.6 * (1.3 - weight) if stressed else 0.9 * weight",
            "return 0.0",
            "Stressed syllables fall beside the beat.",
        ),
    ),
    # Jobs.
    *_faults(
        "jobs/queue.py",
        "tests/jobs/test_queue.py",
        (
            "given-up-worker-writes",
            "f\"UPDATE jobs SET {what} WHERE id = ? AND lease = ? AND state = 'running'\",",
            "f\"UPDATE jobs SET {what} WHERE id = ? AND lease >= ? AND state = 'running'\",",
            "A worker that was thought dead ends the job that another one works on.",
        ),
        (
            "job-started-twice",
            "\" WHERE id = ? AND state = 'waiting'\",\n                (now, now, number),",
            '" WHERE id = ?",\n                (now, now, number),',
            "Two processes render the same job.",
        ),
        (
            "needed-job-cleaned",
            'if row["id"] not in needed]',
            "]",
            "jobs clean makes a job fail that waits for another.",
        ),
        (
            "restart-is-a-try",
            "(state, reason, end, 0 if counts else 1, job.id),",
            "(state, reason, end, 0, job.id),",
            "A job fails because the machine was restarted twice.",
        ),
    ),
    *_faults(
        "jobs/running/runner.py",
        "tests/jobs/running/test_runner.py",
        (
            "jobs-share-no-memory",
            "if None in needs or sum(need or 0 for need in needs) > (self.memory or 0):",
            "if None in needs:",
            "Jobs start together that don't fit into memory, and the system ends one.",
        ),
        (
            "frozen-worker-lives-on",
            "        self._kill(now)\n        restarted =",
            "        restarted =",
            "A frozen worker keeps its memory while its job runs again.",
        ),
    ),
    *_faults(
        "jobs/takes/dealing.py",
        "tests/jobs/takes/test_workers.py",
        (
            "deadly-take-goes-round",
            "if self._lost[packet.number] < TRIES:",
            "if self._lost[packet.number] <= TRIES:",
            "A take that ends every worker ends one after the other.",
        ),
    ),
    *_faults(
        "jobs/local/crew.py",
        "tests/jobs/takes/test_workers.py",
        (
            "workers-take-all-cores",
            "env |= dict.fromkeys(THREADS, str(self._threads))",
            "pass",
            "Each worker computes with as many threads as there are cores, in each other's way.",
        ),
    ),
    *_faults(
        "jobs/cluster/shared.py",
        "tests/jobs/cluster/test_shared.py",
        (
            "others-write-our-files",
            'if not found or _user() != mark["user"]:',
            "if not found:",
            "Takes on a shared disk belong to another user than the one who asked for them.",
        ),
    ),
    *_faults(
        "weights/peers.py",
        "tests/weights/test_peers.py",
        (
            "pieces-overlap",
            "for start in range(self._start, self._size, PIECE):",
            "for start in range(self._start, self._size, PIECE // 2):",
            "Weights from the head arrive damaged, and each node downloads them.",
        ),
    ),
    # The page.
    *_faults(
        "web/guard.py",
        "tests/web/test_guard.py",
        (
            "other-sites-change-songs",
            "if origin is not None and origin != own:",
            "if False:",
            "A page of another site changes songs through the user's browser.",
        ),
        (
            "any-name-is-ours",
            "if self.local:\n            return False",
            "if self.local:\n            return True",
            "Under a name that points to this machine, another site reads the songs.",
        ),
        (
            "any-password-opens",
            "return secrets.compare_digest(given.encode(), self.door.password.encode())",
            "return bool(given)",
            "Whoever reaches the page over the network is let in.",
        ),
        (
            "guesses-without-a-wait",
            "wait = 0.0 if inside else self.patience.wait_s(address)",
            "wait = 0.0",
            "Passwords can be guessed as fast as the network carries them.",
        ),
    ),
    *_faults(
        "web/pages/listen.py",
        "tests/web/test_guard.py",
        (
            "baselines-for-everybody",
            "if not request.app.state.door.local and not",
            "if False and not",
            "Visitors from other machines hear any recording of the disk.",
        ),
    ),
    *_faults(
        "web/files.py",
        "tests/web/test_guard.py",
        (
            "hidden-files-served",
            'or p.startswith(".") ',
            "",
            "The page shows hidden files of a song's folder.",
        ),
    ),
    # Songs and sounds for other programs.
    *_faults(
        "songs/export/timeline.py",
        "tests/songs/export/test_timeline.py",
        (
            "pickup-is-no-bar",
            "return pickup_s if 0 < pickup_s < longest else 0.0",
            "return 0.0",
            "After a pickup everything stands beside the bar lines of the workstation.",
        ),
    ),
    *_faults(
        "songs/sheet/model.py",
        "tests/songs/sheet/test_load.py",
        (
            "pickup-on-top",
            "return self._in_seconds(segment, self._lent(segment))",
            "return self._in_seconds(segment, 0.0)",
            "Every pickup makes the song a beat longer than its bars.",
        ),
    ),
    *_faults(
        "songs/export/stems.py",
        "tests/workflows/test_export_song.py",
        (
            "stems-without-gain",
            "(MixInput(take[name], name), gain)",
            "(MixInput(take[name], name), 0.0)",
            "The stems don't sum to the mix.",
        ),
    ),
    *_faults(
        "songs/export/midi.py",
        "tests/workflows/test_export_song.py",
        (
            "drums-play-a-piano",
            "_DRUM_CHANNEL if part.drums else",
            "free[0] if part.drums else",
            "The drums sound as notes of a piano.",
        ),
    ),
    *_faults(
        "sounds/studio/loops.py",
        "tests/sounds/studio/test_loops.py",
        (
            "loop-with-a-seam",
            "samples[:, total - fade :] = (samples[:, total - fade :] * falling + lead * rising)"
            " * scale",
            "pass",
            "A held note of a sampler instrument clicks at each turn.",
        ),
    ),
)
