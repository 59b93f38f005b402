"""Tiny models with random weights, saved as the libraries save them; shared by the tests of encoders."""

import json
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from datasets import Dataset, Features, Image, Value
from PIL.Image import fromarray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetModel,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SwinConfig,
    SwinModel,
)

WORDS = ["a", "dog", "cat", "red", "house", "on", "the", "grass", "bird", "with", "two", "trees"]
TEXTS = ["a red house", "", "Two trees, a dog", "the bird on the grass with a cat", "word " * 10_000, "日本 naïve"]
SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]


def pictures(count: int = 5, seed: int = 0, size: int = 40) -> Dataset:
    """Noise of several sizes, with ids."""
    draw = np.random.default_rng(seed)
    images = [fromarray(draw.integers(0, 256, (size + 3 * i, size, 3), dtype=np.uint8)) for i in range(count)]
    features = Features({"id": Value("string"), "image": Image()})
    return Dataset.from_dict({"id": [f"p{i}.png" for i in range(count)], "image": images}, features=features)


def timm_weights(folder: Path, name: str = "test_resnet", seed: int = 0) -> str:
    torch.manual_seed(seed)
    path = folder / f"{name}-{seed}.pth"
    torch.save(timm.create_model(name).state_dict(), path)
    return str(path)


def open_clip_folder(folder: Path, seed: int = 0, mean: float = 0.5) -> str:
    """A folder with configuration and weights, as open_clip's `local-dir:` reads it."""
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(open_clip.CLIP(**config).state_dict(), folder / "open_clip_pytorch_model.bin")
    prepare = {"mean": [mean] * 3, "std": [0.25] * 3}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": prepare}))
    return str(folder)


def tokeniser(length: int = 16) -> PreTrainedTokenizerFast:
    """Whole words, in lower case, between [CLS] and [SEP]."""
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*SPECIAL, *WORDS])}, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    names = dict(pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", eos_token="[SEP]")
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=length, **names)


SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
VISION = dict(**SMALL, image_size=32, patch_size=8)
TEXT = dict(**SMALL, vocab_size=len(SPECIAL) + len(WORDS), max_position_embeddings=16)


def transformer(kind: str) -> PreTrainedModel:
    if kind == "clip":
        text = dict(**TEXT, eos_token_id=2, bos_token_id=1, pad_token_id=0)
        return CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))
    if kind == "siglip":
        return SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION))
    if kind == "dinov2":
        return Dinov2Model(Dinov2Config(**VISION))
    if kind == "swin":
        return SwinModel(
            SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)
        )
    if kind == "resnet":
        return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"))
    return BertModel(BertConfig(**TEXT))


def transformers_folder(folder: Path, kind: str, seed: int = 0, mean: float = 0.5) -> str:
    """'clip', 'siglip', 'dinov2', 'swin', 'resnet' or 'bert', with image processor and tokeniser."""
    torch.manual_seed(seed)
    transformer(kind).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    if kind == "siglip":
        SiglipImageProcessor(size=size, image_mean=[mean] * 3).save_pretrained(folder)
    elif kind != "bert":
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size, image_mean=[mean] * 3).save_pretrained(folder)
    tokeniser().save_pretrained(folder)
    return str(folder)


def sentence_folder(folder: Path, seed: int = 0, pooling: str = "mean", unit: bool = False) -> str:
    """A sentence-transformers model of a tiny BERT."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    transformers_folder(folder / "bert", "bert", seed)
    network = Transformer(str(folder / "bert"), max_seq_length=16)
    modules = [network, Pooling(32, pooling_mode=pooling), *([Normalize()] if unit else [])]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "sentence"))
    return str(folder / "sentence")
