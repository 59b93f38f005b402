"""Encode pictures or texts into a gallery: `python -m eval.encode --data FOLDER --encoder.kind ... --output FILE`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from multiturn.cli import Parser, clear_errors
from multiturn.encoders.catalogue import KINDS, EncoderSettings, make_encoder
from multiturn.settings import at_least

EXAMPLES = """examples:
  python -m eval.encode --data photos --encoder.kind open_clip --encoder.name ViT-B-32 \\
      --encoder.weights laion2b_s34b_b79k --output runs/photos.safetensors
  python -m eval.encode --data captions.jsonl --encoder.kind sentence_transformers \\
      --encoder.name all-MiniLM-L6-v2 --output runs/captions.safetensors
  accelerate launch -m eval.encode --data photos --encoder.kind timm --encoder.name resnet50 \\
      --encoder.dtype bfloat16 --output runs/photos.safetensors
"""


def main(arguments: Sequence[str]) -> None:
    """Read the items, make the encoder, and write the gallery."""
    parser = Parser(prog="python -m eval.encode", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures, .jsonl, .txt, or HF data set")
    parser.add_argument("--split", type=str, help="of a data set that has several")
    parser.add_argument("--text_field", default="text", help="column or key of the texts")
    parser.add_class_arguments(EncoderSettings, "encoder")
    parser.add_argument("--output", type=Path, required=True, help="the gallery's file")
    parser.add_argument("--batch_size", type=int, default=64, help="items at once")
    parser.add_argument("--shard_size", type=int, default=4096, help="at most so many are encoded again after a kill")
    parser.add_argument("--threads", type=int, help="of the processor, in each process; the last bits may depend on it")
    options = parser.parse_args(list(arguments))
    try:
        settings: EncoderSettings = parser.instantiate(options).encoder
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.items import read_items

    items = read_items(options.data, options.split, options.text_field)
    if items.kind != settings.items:
        fitting = ", ".join(kind for kind, (what, _) in KINDS.items() if what == items.kind)
        parser.error(
            f"{options.data} holds {items.kind}s, and {settings.kind} encodes {settings.items}s; use {fitting}"
        )
    import torch

    from multiturn.building import build_gallery
    from multiturn.processes import launched, own_device

    everyone = launched()
    if options.threads is not None:
        at_least("threads", options.threads, 1)
        torch.set_num_threads(options.threads)
    encoder = make_encoder(settings, own_device())
    gallery = build_gallery(
        encoder, items.values, items.ids, items.source, options.output, options.batch_size, options.shard_size
    )
    everyone.print(
        f"{options.output}: {len(gallery):,} vectors of {encoder.dim} numbers, made by {encoder.fingerprint}"
    )
    everyone.destroy_process_group()


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
