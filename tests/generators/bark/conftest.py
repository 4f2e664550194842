"""Tiny Barks in the real format: all four parts, a real tokenizer, presets."""

import json
import re

import numpy as np
import pytest

WORDS, CODES, END = 60, 32, 60
"""Semantic tokens, codes of a codebook, and the token that ends a part."""
MOST = 60
"""Semantic tokens of a part: 1.2 s."""

LINES = [
    "♪ We whisper, susurra conmigo ♪ Whisper del futuro, amor y código.",
    "Half of the song is a heartbeat, la otra mitad la escribimos los dos. [laughs] [music]",
    "Tiro los dados, la noche contesta, nobody loses as long as we dance … [sighs] MAN WOMAN",
]


@pytest.fixture(scope="session")
def bert_tokenizer():
    """A real tokenizer of BERT's kind, cased, with the words and letters of a few lines.

    Not trained: where pieces are equally frequent, training takes another one in each process, and
    what a tiny model says hangs on every token.
    """
    from transformers import BertTokenizer

    found = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(LINES))))
    letters = sorted(set("".join(found)))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *found]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return BertTokenizer(vocab=vocabulary, do_lower_case=False)


@pytest.fixture(scope="session")
def make_voice():
    """``make_voice(seed)``: the three arrays of a preset, with codes for 0.9 s."""

    def make(seed):
        drawn = np.random.default_rng(seed)
        coarse = drawn.integers(0, CODES, (2, 70))
        rest = drawn.integers(0, CODES, (6, 70))
        return {
            "semantic_prompt": drawn.integers(0, WORDS, 47),
            "coarse_prompt": coarse,
            "fine_prompt": np.concatenate([coarse, rest]),
        }

    return make


@pytest.fixture(scope="session")
def make_bark(tmp_path_factory, bert_tokenizer, make_voice, make_audible):
    """``make_bark(form="safetensors", seed=0)``: a folder as the hub has it; 24 kHz, 75 frames a
    second. ``form="bin"`` is how Suno's repositories are: pickled tensors."""
    import torch
    from transformers import BarkConfig, BarkModel, EncodecConfig, GenerationConfig

    made = {}

    def make(form="safetensors", seed=0):
        if (form, seed) in made:
            return made[form, seed]
        size = {"num_layers": 2, "num_heads": 2, "hidden_size": 16, "bias": False}
        coarse_pad = WORDS + 2 * CODES
        config = BarkConfig(
            semantic_config={**size, "block_size": 320, "input_vocab_size": 300,
                             "output_vocab_size": 70},
            coarse_acoustics_config={**size, "block_size": 120, "output_vocab_size": coarse_pad,
                                     "input_vocab_size": coarse_pad + 4},
            fine_acoustics_config={**size, "block_size": 80, "input_vocab_size": CODES + 4,
                                   "output_vocab_size": CODES + 4},
            codec_config=EncodecConfig(
                sampling_rate=24_000, upsampling_ratios=[8, 5, 4, 2], num_filters=2, hidden_size=8,
                codebook_size=CODES, target_bandwidths=[3.0], num_lstm_layers=2,
            ).to_dict(),
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = BarkModel(config)
            # Fresh weights give almost even odds whatever came before.
            for stage in (model.semantic, model.coarse_acoustics, model.fine_acoustics):
                for parameter in stage.parameters():
                    if parameter.ndim > 1:
                        parameter.data.normal_(std=0.5)
            # The end of a part is to come now and then, but seldom at once.
            model.semantic.lm_head.weight.data[END] *= 0.5
            make_audible(model.codec_model)
        model.generation_config = GenerationConfig.from_dict({
            "semantic_config": {
                "do_sample": True, "temperature": 0.7, "top_k": 50, "max_new_tokens": MOST,
                "eos_token_id": END, "text_encoding_offset": 80, "text_pad_token": 290,
                "semantic_infer_token": 291, "semantic_vocab_size": WORDS,
            },
            "coarse_acoustics_config": {
                "do_sample": True, "temperature": 0.7, "top_k": 50,
                "coarse_semantic_pad_token": coarse_pad, "coarse_infer_token": coarse_pad + 1,
                "max_coarse_input_length": 32, "max_coarse_history": 60, "sliding_window_len": 12,
            },
            "fine_acoustics_config": {
                "temperature": 0.5, "max_fine_history_length": 40, "max_fine_input_length": 80,
            },
            "codebook_size": CODES, "sample_rate": 24_000,
        })  # fmt: skip
        folder = tmp_path_factory.mktemp("bark")
        model.save_pretrained(folder)
        bert_tokenizer.save_pretrained(folder)
        if form == "bin":
            (folder / "model.safetensors").unlink()
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
        _save_presets(folder, make_voice)
        made[form, seed] = folder
        return folder

    return make


def _save_presets(folder, make_voice):
    presets = folder / "speaker_embeddings" / "v2"
    presets.mkdir(parents=True)
    index = {"repo_or_path": "suno/bark"}
    names = ("en_speaker_6", "en_speaker_9", "es_speaker_0", "es_speaker_8", "de_speaker_3")
    for seed, name in enumerate(names):
        index[f"v2/{name}"] = {}
        for key, array in make_voice(seed).items():
            np.save(presets / f"{name}_{key}.npy", array)
            index[f"v2/{name}"][key] = f"speaker_embeddings/v2/{name}_{key}.npy"
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(index))
