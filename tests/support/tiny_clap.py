"""A CLAP of the real classes at tiny size, with random weights."""

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

from milonga.analysis.scores.text_match import OTHERS
from milonga.runtime.seeding import seeded


def tiny_clap(folder=None):
    with seeded(0):
        model = ClapModel(
            ClapConfig(
                audio_config={
                    "hidden_size": 32, "patch_embeds_hidden_size": 4, "depths": [1, 1, 1, 1],
                    "num_attention_heads": [1, 1, 1, 1], "projection_dim": 16,
                    "spec_size": 256, "num_mel_bins": 64,
                },
                text_config={
                    "vocab_size": 200, "hidden_size": 16, "num_hidden_layers": 1,
                    "num_attention_heads": 2, "intermediate_size": 16, "projection_dim": 16,
                },
                projection_dim=16,
            )
        ).eval()  # fmt: skip
    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(
        OTHERS,
        trainers.BpeTrainer(vocab_size=190, special_tokens=["<s>", "<pad>", "</s>", "<unk>"]),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", eos_token="</s>"
    )
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    if folder is not None:
        for part in (model, tokenizer, extractor):
            part.save_pretrained(folder)
    return model, tokenizer, extractor
