"""Tiny models in the real formats, with random weights."""

import copy
import json
import warnings

import pytest
from in_process import run_here

from milonga.runtime.progress import Progress

LINES = [
    "Bandoneón solo with trap beats, 808 drops, tango-trap fusion. bpm: 120. key: A minor.",
    "Latin trap reggaeton backing, playful and reflective, verse, backing track. bpm: 122.",
    "calm piano, rain, night. bpm: 70. key: F# major. chorus, bridge, intro, outro",
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data folder of the test's own."""
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def milonga(tmp_path):
    """``milonga(*arguments, **environment)``: a command in this process; returns what
    ``subprocess.run`` would."""

    def run(*arguments, **environment):
        return run_here(arguments, cwd=tmp_path, env=environment)

    return run


class StopsAfterTwoSteps(Progress):
    """Cancels in the midst of the sampling, and keeps how far that came."""

    steps = 0

    def show(self, update):
        if update.unit == "steps":
            self.steps = update.done
            if self.steps == 2:
                self.cancel()


@pytest.fixture
def stops_after_two_steps():
    return StopsAfterTwoSteps()


@pytest.fixture(scope="session")
def t5_tokenizer():
    """A real tokenizer of T5's kind, trained on a few lines."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import T5Tokenizer

    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    inner.train_from_iterator(
        LINES,
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
        ),
    )
    vocabulary = json.loads(inner.to_str())["model"]["vocab"]
    return T5Tokenizer(vocab=[(token, score) for token, score in vocabulary], extra_ids=2)


def _make_audible(codec):
    """Sound around 0 at -20 dBFS, so that the take checks pass."""
    import torch

    for layer in codec.quantizer.layers:
        layer.codebook.embed.normal_()
    for name, parameter in codec.decoder.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    codes = torch.randint(0, codec.config.codebook_size, (1, 1, codec.config.num_quantizers, 100))
    with torch.no_grad():
        sound = codec.decode(codes, [None]).audio_values
    gain = 0.1 / sound.std()
    last = codec.decoder.layers[-1].conv
    last.parametrizations.weight.original0.data *= gain
    last.bias.data.fill_(-gain * sound.mean())


@pytest.fixture(scope="session")
def make_audible():
    """``make_audible(codec)``: fills an EnCodec's codebooks and sets its level."""
    return _make_audible


@pytest.fixture(scope="session")
def make_musicgen(tmp_path_factory, t5_tokenizer):
    """``make_musicgen(channels=1, seed=0)``: a folder as ``save_pretrained`` writes it, 32 kHz
    and 50 frames a second like the real ones, decoding in milliseconds."""
    import torch
    from transformers import (
        EncodecConfig,
        EncodecFeatureExtractor,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    made = {}

    def make(channels=1, seed=0):
        if (channels, seed) in made:
            return made[channels, seed]
        config = MusicgenConfig(
            text_encoder=T5Config(
                vocab_size=len(t5_tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2,
                num_heads=2, decoder_start_token_id=0,
            ).to_dict(),
            audio_encoder=EncodecConfig(
                sampling_rate=32_000, upsampling_ratios=[8, 5, 4, 4], num_filters=2,
                hidden_size=8, codebook_size=64, use_causal_conv=False, target_bandwidths=[1.2],
                num_lstm_layers=2, kernel_size=7, last_kernel_size=7,
            ).to_dict(),
            decoder=MusicgenDecoderConfig(
                vocab_size=64, num_hidden_layers=2, ffn_dim=32, num_attention_heads=2,
                hidden_size=16, num_codebooks=4 * channels, audio_channels=channels,
                pad_token_id=64, bos_token_id=64,
            ).to_dict(),
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = MusicgenForConditionalGeneration(config)
            # Fresh weights give almost even odds whatever the text; fresh codebooks are zero.
            for parameter in model.decoder.parameters():
                if parameter.ndim > 1:
                    parameter.data.normal_(std=0.5)
            _make_audible(model.audio_encoder)
        folder = tmp_path_factory.mktemp("musicgen")
        model.generation_config.update(
            do_sample=True, guidance_scale=3.0, max_length=1500, pad_token_id=64,
            bos_token_id=64, decoder_start_token_id=64,
        )  # fmt: skip
        model.save_pretrained(folder)
        t5_tokenizer.save_pretrained(folder)
        EncodecFeatureExtractor(feature_size=channels, sampling_rate=32_000).save_pretrained(folder)
        made[channels, seed] = folder
        return folder

    return make


def _make_decoder_audible(vae, latents):
    """Sound around 0 at -20 dBFS."""
    import torch

    last = vae.decoder.conv2
    # Without a sum over its taps the last kernel passes no DC.
    last.weight_v.data -= last.weight_v.data.mean(dim=-1, keepdim=True)
    with torch.no_grad():
        sound = vae.decode(latents).sample
    last.weight_g.data *= 0.1 / sound.std(dim=(0, 2))[:, None, None]


@pytest.fixture(scope="session")
def make_stable_audio(tmp_path_factory, t5_tokenizer):
    """``make_stable_audio(conditioning=16, frames=1024, seed=0)``: a folder as the pipeline's
    ``save_pretrained`` writes it, 44.1 kHz stereo in the real window and hop, with a text encoder,
    transformer and autoencoder that compute in milliseconds."""
    import torch
    from diffusers import (
        AutoencoderOobleck,
        CosineDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
        StableAudioProjectionModel,
    )
    from transformers import T5Config, T5EncoderModel

    made = {}
    tokenizer = copy.deepcopy(t5_tokenizer)
    tokenizer.model_max_length = 128

    def make(conditioning=16, frames=1024, seed=0):
        key = conditioning, frames, seed
        if key in made:
            return made[key]
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
            torch.manual_seed(seed)
            text_encoder = T5EncoderModel(
                T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2,
                         num_heads=2)
            )  # fmt: skip
            transformer = StableAudioDiTModel(
                sample_size=frames, in_channels=4, num_layers=2, attention_head_dim=8,
                num_attention_heads=2, num_key_value_attention_heads=1, out_channels=4,
                cross_attention_dim=16, time_proj_dim=8,
                global_states_input_dim=2 * conditioning, cross_attention_input_dim=conditioning,
            )  # fmt: skip
            # Fresh weights hardly hear the words, and hardly anything comes out.
            for parameter in transformer.parameters():
                if parameter.ndim > 1:
                    parameter.data.normal_(std=0.5)
            projection = StableAudioProjectionModel(16, conditioning, 0, 512)
            for name, parameter in projection.named_parameters():
                parameter.data *= 20 if name.endswith("weights") else 3
            vae = AutoencoderOobleck(
                encoder_hidden_size=8, channel_multiples=[1, 1, 1, 1, 1], decoder_channels=4,
                decoder_input_channels=4,
            )  # fmt: skip
            pipeline = StableAudioPipeline(
                vae=vae.eval(), text_encoder=text_encoder.eval(), tokenizer=tokenizer,
                projection_model=projection, transformer=transformer,
                scheduler=CosineDPMSolverMultistepScheduler(),
            )  # fmt: skip
            pipeline.set_progress_bar_config(disable=True)
            generator = torch.Generator().manual_seed(0)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Should have t")
                latents = pipeline("calm piano", 2.0, num_inference_steps=6, generator=generator,
                                   output_type="latent").audios  # fmt: skip
            transformer.proj_out.weight.data /= latents.std()
            _make_decoder_audible(vae, latents / latents.std())
            folder = tmp_path_factory.mktemp("stable-audio")
            pipeline.save_pretrained(folder)
        made[key] = folder
        return folder

    return make


@pytest.fixture(scope="session")
def gemma_tokenizer():
    """A real tokenizer of Gemma's kind, with bytes for what it was never taught."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import GemmaTokenizer

    inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    inner.normalizer = normalizers.Replace(" ", "▁")
    inner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_previous")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{n:02X}>" for n in range(256))]
    inner.train_from_iterator(
        LINES, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    )
    model = json.loads(inner.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return GemmaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=256)


def _randomise(model, std):
    """Fresh weights of these classes are zero in places, and then every seed sounds the same."""
    for name, parameter in model.named_parameters():
        if name.endswith(("gamma", "weight_g", "scale")):
            continue
        if name.endswith("alpha"):
            # Gentler than fresh ones, which magnify rounding.
            parameter.data.fill_(1.0)
            continue
        parameter.data.normal_(std=std if parameter.ndim > 1 else 0.1)


@pytest.fixture(scope="session")
def make_stable_audio_3(tmp_path_factory, gemma_tokenizer):
    """``make_stable_audio_3(distilled=True, differential=True, seed=0)``: a folder as the
    pipeline's ``save_pretrained`` writes it, 44.1 kHz stereo and 4096 samples a frame like the
    real ones, with parts that compute in milliseconds."""
    import torch
    from diffusers import (
        AutoencoderSAME,
        FlowMatchEulerDiscreteScheduler,
        StableAudio3DiTModel,
        StableAudio3DurationEmbedder,
        StableAudio3Pipeline,
    )
    from transformers import T5GemmaConfig, T5GemmaEncoderModel

    made = {}

    def make(distilled=True, differential=True, seed=0):
        key = distilled, differential, seed
        if key in made:
            return made[key]
        text = {
            "vocab_size": len(gemma_tokenizer), "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 8, "query_pre_attn_scalar": 8,
        }  # fmt: skip
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
            torch.manual_seed(seed)
            text_encoder = T5GemmaEncoderModel(
                T5GemmaConfig(encoder=text, decoder=text, is_encoder_decoder=False)
            )
            transformer = StableAudio3DiTModel(
                io_channels=16, embed_dim=32, depth=2, num_heads=4, cond_token_dim=32,
                global_cond_dim=32, local_add_cond_dim=17, timestep_features_dim=16, ff_mult=2.0,
                num_memory_tokens=4, use_differential_attention=differential,
            )  # fmt: skip
            _randomise(transformer, 0.3)
            embedder = StableAudio3DurationEmbedder(output_dim=32, fourier_dim=256)
            vae = AutoencoderSAME(
                encoder_channels=4, encoder_transformer_depths=[2], latent_dim=16, dim_heads=8,
                decoder_sinusoidal_blocks=[2],
            )  # fmt: skip
            _randomise(vae, 0.3)
            vae.bottleneck.running_std.fill_(1.5)
            scheduler = FlowMatchEulerDiscreteScheduler(
                num_train_timesteps=1, stochastic_sampling=distilled
            )
            pipeline = StableAudio3Pipeline(
                vae=vae.eval(), text_encoder=text_encoder.eval(), tokenizer=gemma_tokenizer,
                duration_embedder=embedder, transformer=transformer.eval(), scheduler=scheduler,
            )  # fmt: skip
            pipeline.set_progress_bar_config(disable=True)
            generator = torch.Generator().manual_seed(0)
            latents = pipeline("calm piano", 2.0, generator=generator, output_type="latent").audios
            # Sound around 0 at -20 dBFS, so that the take checks pass.
            mapping = vae.decoder.blocks[0].mapping
            mapping.bias.data.zero_()
            with torch.no_grad():
                sound = vae.decode(latents).sample
                mapping.weight_g.data *= 0.1 / sound.std()
        folder = tmp_path_factory.mktemp("stable-audio-3")
        pipeline.save_pretrained(folder)
        made[key] = folder
        return folder

    return make
