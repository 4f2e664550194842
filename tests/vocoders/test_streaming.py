"""Chunks are what one pass gives, for every length and chunk size."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.vocoders import VocoderError
from milonga.vocoders.bigvgan import chunks, generator
from milonga.vocoders.bigvgan.chunks import block_reach, plan_chunk
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.bigvgan.vocoder import BigVGAN

FULL = {
    "resblock": "1",
    "upsample_rates": [8, 4, 2, 2, 2, 2],
    "upsample_kernel_sizes": [16, 8, 4, 4, 4, 4],
    "upsample_initial_channel": 1536,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "activation": "snakebeta",
    "snake_logscale": True,
    "sampling_rate": 44_100,
    "num_mels": 128,
    "n_fft": 2048,
    "win_size": 2048,
    "hop_size": 512,
    "fmin": 0,
    "fmax": None,
}
SMALL = FULL | {
    "upsample_rates": [4, 3],
    "upsample_kernel_sizes": [8, 7],
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": [3, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]],
    "sampling_rate": 16_000,
    "num_mels": 10,
    "n_fft": 64,
    "win_size": 64,
    "hop_size": 12,
}


def make(engine):
    torch.manual_seed(3)
    made = BigVGANGenerator(BigVGANConfig.from_dict(SMALL)).eval().requires_grad_(False)
    return BigVGAN(made, "cpu", engine=engine)


CONFIG = BigVGANConfig.from_dict(SMALL)
VOCODERS = {name: make(name) for name in ("torch", "auto")}


@given(
    rate=st.integers(1, 8), extra=st.integers(0, 8), start=st.integers(0, 200),
    size=st.integers(1, 100), more=st.integers(0, 100),
)  # fmt: skip
def test_what_an_upsampled_stretch_is_made_of(rate, extra, start, size, more):
    """Each output of a transposed convolution, traced back to its inputs."""
    kernel = rate + 2 * (extra // 2)
    padding = (kernel - rate) // 2
    length = -(-(start + size + more) // rate)
    before = chunks._before_upsampling(
        chunks.Span(start, start + size, length * rate), rate, kernel
    )
    reached = [
        index
        for index in range(length)
        if index * rate - padding < start + size and index * rate - padding + kernel > start
    ]
    assert (before.start, before.stop) == (reached[0], reached[-1] + 1)


@pytest.mark.parametrize("engine", VOCODERS)
@settings(max_examples=25, deadline=None)
@given(frames=st.integers(0, 150), chunk=st.integers(1, 160), batch=st.integers(1, 2))
def test_chunks_join_to_one_pass(engine, frames, chunk, batch):
    vocoder = VOCODERS[engine]
    mel = np.random.default_rng(frames).normal(-4, 2, (batch, 10, frames)).astype(np.float32)
    whole = vocoder.mel_to_waveform(mel)
    pieces = list(vocoder.stream(mel, chunk))
    assert all(piece.shape[2] == chunk * 12 for piece in pieces[:-1])
    joined = np.concatenate([np.zeros((batch, 1, 0), np.float32), *pieces], axis=2)
    assert joined.shape == whole.shape
    # The requirement: 1e-5 of the peak; only the order of additions differs.
    assert np.abs(joined - whole).max(initial=0) <= 1e-5 * np.abs(whole).max(initial=0)


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(1, 1500), batch=st.integers(1, 2), most=st.integers(1, 1 << 16))
def test_a_processors_pieces_are_those_of_one_pass(frames, batch, most):
    whole, plan = VOCODERS["torch"]._engine.generator, plan_chunk(CONFIG, 0, frames, frames)
    mel = torch.randn(batch, 10, frames, generator=torch.Generator().manual_seed(frames))
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "_PIECE", 1 << 40)
        expected = whole.chunk(mel, plan)
        patch.setattr(generator, "_PIECE", most)
        found = whole.chunk(mel, plan)
    # The requirement: 1e-5 of the peak; only the order of additions differs.
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@given(
    index=st.integers(0, 1), start=st.integers(0, 9999), size=st.integers(1, 99_999),
    most=st.integers(1, 1 << 20),
)  # fmt: skip
def test_pieces_of_a_stage_cover_everything_once(index, start, size, most):
    output = chunks.Span(start, start + size, start + size + 7)
    pieces = list(chunks.pieces_of_stage(CONFIG, index, output, most))
    assert [piece.start for piece in pieces] == [start, *(piece.stop for piece in pieces[:-1])]
    assert pieces[-1].stop == output.stop
    assert all(piece.size for piece in pieces)


def test_one_pass_is_one_chunk_of_everything():
    config = BigVGANConfig.from_dict(FULL)
    plan = plan_chunk(config, 0, 100, 100)
    assert (plan.mel.start, plan.mel.stop) == (0, 100)
    assert [span.size for span in plan.stages] == [800, 3200, 6400, 12800, 25600, 51200]


def recomputed_share(config, chunk_frames):
    """Multiplications done more than once, as a share of those of one pass, for a chunk in the
    middle of a long mel."""
    frames = chunk_frames + 2 * 1000
    plan = plan_chunk(config, 1000, 1000 + chunk_frames, frames)
    done = needed = 0.0
    rate = 1
    for stage, span in enumerate(plan.stages):
        rate *= config.upsample_rates[stage]
        work = float(config.width(stage) ** 2)
        done += work * span.size
        needed += work * rate * chunk_frames
    return done / needed - 1.0


def test_context_and_recomputed_share_at_full_size():
    config = BigVGANConfig.from_dict(FULL)
    # Six activations of 5; convolutions of 11 taps see 5 d each, d = 1, 3, 5 and three times 1.
    assert block_reach(config) == 6 * 5 + 5 * (1 + 3 + 5) + 3 * 5
    plan = plan_chunk(config, 1000, 1512, 3000)
    assert 12 <= 1000 - plan.mel.start <= 25
    assert recomputed_share(config, BigVGAN.default_chunk_frames) < 0.15


def test_pieces_come_one_by_one():
    vocoder = VOCODERS["torch"]
    done = []
    engine = vocoder._engine

    class Counting:
        name = "torch"

        def chunk(self, mel, plan):
            done.append(plan.output.start)
            return engine.chunk(mel, plan)

    vocoder._engine = Counting()
    try:
        stream = vocoder.stream(np.full((1, 10, 50), -5, np.float32), 10)
        assert done == []
        next(stream)
        assert done == [0]
        assert len(list(stream)) == 4
    finally:
        vocoder._engine = engine


class Cramped:
    """An engine on a device whose memory holds a few frames only; no such device is here."""

    name = "torch"

    def __init__(self, engine, most):
        self.engine, self.most, self.tried = engine, most, []

    def chunk(self, mel, plan):
        self.tried.append(plan.output.size // 12)
        if plan.output.size // 12 > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return self.engine.chunk(mel, plan)


@pytest.mark.parametrize(("most", "device"), [(60, "cuda"), (0, "cpu")])
def test_a_full_device_means_smaller_chunks_then_the_cpu(messages, most, device):
    vocoder = make("torch")
    mel = np.random.default_rng(0).normal(-4, 2, (1, 10, 150)).astype(np.float32)
    expected = vocoder.mel_to_waveform(mel)
    vocoder._engine, vocoder._device = Cramped(vocoder._engine, most), "cuda"
    found = vocoder.mel_to_waveform(mel, progress=messages)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert vocoder.device == device
    assert "ran out of memory" in messages.texts[0]
    assert (device == "cpu") == any("on the CPU" in text for text in messages.texts)


@pytest.mark.parametrize(("limit", "device"), [(1000, "mps"), (20, "cpu")])
def test_a_mac_that_refuses_long_convolutions_goes_on(mac, messages, limit, device):
    vocoder = make("torch")
    mel = np.random.default_rng(0).normal(-4, 2, (1, 10, 150)).astype(np.float32)
    mac.on = False
    expected = vocoder.mel_to_waveform(mel)
    mac.on, mac.limit, vocoder._device = True, limit, "mps"
    # On the processor the refusals end.
    move = vocoder._move
    vocoder._move = lambda engine: (move(engine), setattr(mac, "on", False))[0]
    found = vocoder.mel_to_waveform(mel, progress=messages)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert vocoder.device == device
    assert "mps can't compute so much at once (Output channels > 65536" in messages.texts[0]
    assert (device == "cpu") == any("on the CPU" in text for text in messages.texts)


def test_half_precision_is_for_accelerators():
    generator = BigVGANGenerator(BigVGANConfig.from_dict(SMALL))
    with pytest.raises(VocoderError, match="accelerator"):
        BigVGAN(generator, "cpu", half=True)


PEAK = """
import sys, numpy as np, torch
from milonga.runtime.memory import peak_memory
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.bigvgan.vocoder import BigVGAN
config = BigVGANConfig.from_dict(eval(sys.argv[1]))
vocoder = BigVGAN(BigVGANGenerator(config).eval().requires_grad_(False), "cpu")
frames = int(float(sys.argv[2]) * config.mel_spec.frame_rate)
mel = np.full((1, 10, frames), -5, np.float32)
samples = sum(piece.shape[2] for piece in vocoder.stream(mel))
assert samples == frames * 256
print(peak_memory())
"""


@pytest.mark.slow
def test_ten_minutes_take_the_memory_of_one():
    config = SMALL | {
        "upsample_rates": [16, 16], "upsample_kernel_sizes": [32, 32], "hop_size": 256,
        "n_fft": 512, "win_size": 512, "upsample_initial_channel": 16,
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1]],
    }  # fmt: skip

    def peak(seconds):
        command = [sys.executable, "-c", PEAK, repr(config), str(seconds)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak(600) <= 1.1 * peak(60)


@pytest.mark.parametrize("engine", VOCODERS)
def test_one_vocoder_serves_several_threads(engine):
    vocoder = VOCODERS[engine]
    draw = np.random.default_rng(0)
    mels = [draw.normal(-4, 2, (1, 10, n)).astype(np.float32) for n in (90, 40, 120, 60)]
    expected = [vocoder.mel_to_waveform(mel) for mel in mels]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(vocoder.mel_to_waveform, mels * 3))
    for index, wave in enumerate(found):
        assert np.array_equal(wave, expected[index % 4])


def test_threads_that_run_out_of_memory_at_once_all_go_on_and_say_so_once(messages):
    vocoder = make("torch")
    draw = np.random.default_rng(0)
    mels = [draw.normal(-4, 2, (1, 10, n)).astype(np.float32) for n in (15, 12, 9, 16)]
    expected = [vocoder.mel_to_waveform(mel) for mel in mels]
    together = threading.Barrier(4)

    class Full:
        name = "torch"

        def chunk(self, mel, plan):
            together.wait(30)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    vocoder._engine, vocoder._device = Full(), "cuda"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda mel: vocoder.mel_to_waveform(mel, progress=messages), mels))
    for wave, whole in zip(found, expected, strict=True):
        assert np.abs(wave - whole).max() <= 1e-5 * np.abs(whole).max()
    assert vocoder.device == "cpu"
    assert sum("on the CPU" in text for text in messages.texts) == 1


def test_a_retreat_leaves_alone_what_another_thread_computes():
    generator = BigVGANGenerator(BigVGANConfig.from_dict(SMALL)).eval().requires_grad_(False)
    vocoder = BigVGAN(generator.double(), "cpu", engine="torch")
    mel = np.random.default_rng(0).normal(-4, 2, (1, 10, 12)).astype(np.float32)
    expected = vocoder.mel_to_waveform(mel)
    inside, moved = threading.Event(), threading.Event()

    def wait(*_):
        # In the midst of the first thread's chunk the second one runs out of memory.
        inside.set()
        moved.wait(30)

    generator.conv_post.register_forward_pre_hook(wait)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(vocoder.mel_to_waveform, mel)
        assert inside.wait(30)
        vocoder._device = "cuda"
        vocoder._move(vocoder._engine)
        moved.set()
        wave = running.result(60)
    assert np.abs(wave - expected).max() <= 1e-5 * np.abs(expected).max()
    assert next(vocoder._generator.parameters()).dtype == torch.float32
    assert next(generator.parameters()).dtype == torch.float64
