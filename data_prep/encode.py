"""Make a gallery of any data set, with any encoder: `python -m data_prep.encode --data.name ... --output FOLDER`.

FOLDER gets gallery.safetensors, manifest.json and, where the data says who or what is on a picture, labels.csv. Run
again after a kill, the program goes on where it stopped; on data that has grown, it encodes only what is new.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from data_prep.sources import DataSettings, Source, read_source
from multiturn.cli import Parser, clear_errors
from multiturn.encoders.catalogue import KINDS, EncoderSettings, make_encoder
from multiturn.settings import at_least

EXAMPLES = """examples:
  python -m data_prep.encode --data.name flickr8k --data.root flickr8k --data.split test \\
      --encoder.kind squeezenet --encoder.weights squeezenet1.1_notop_oihw.npz --output runs/flickr8k
  python -m data_prep.encode --data.name flickr8k --data.root flickr8k --data.column captions \\
      --encoder.kind sentence_transformers --encoder.name all-MiniLM-L6-v2 --output runs/captions
  python -m data_prep.encode --data.root my-photos --encoder.kind open_clip --encoder.name ViT-B-32 \\
      --encoder.weights laion2b_s34b_b79k --on_bad_image skip --output runs/photos
  accelerate launch -m data_prep.encode --data.name cub --data.root CUB_200_2011 --encoder.kind timm \\
      --encoder.name resnet50 --encoder.dtype bfloat16 --dtype float16 --output runs/cub
"""


def parser() -> Parser:
    """The command line."""
    made = Parser(prog="python -m data_prep.encode", description=__doc__, epilog=EXAMPLES)
    made.add_argument("--config", action="config", help="YAML file with any of these settings")
    made.add_class_arguments(DataSettings, "data")
    made.add_class_arguments(EncoderSettings, "encoder")
    made.add_argument("--output", type=Path, required=True, help="the gallery's folder")
    made.add_argument("--dtype", type=Literal["float32", "float16"], default="float32", help="of the vectors on disk")
    made.add_argument(
        "--on_bad_image",
        type=Literal["error", "skip"],
        default="error",
        help="stop at a picture that cannot be decoded or whose file name cannot be an id, or leave it out and list it",
    )
    made.add_argument("--drop_removed", action="store_true", help="take out candidates that the data lacks by now")
    made.add_argument(
        "--append", action="store_true", help="add these items, even a single one, to those that are there"
    )
    made.add_argument("--overwrite", action="store_true", help="encode everything again, whatever is there")
    made.add_argument("--batch_size", type=int, default=64, help="items at once")
    made.add_argument(
        "--shard_size",
        type=int,
        default=4096,
        help="items whose vectors are in memory together; at most so many are encoded again after a kill",
    )
    made.add_argument("--threads", type=int, help="of the processor, in each process; the last bits may depend on it")
    return made


def main(arguments: Sequence[str]) -> None:
    """Read the items, make the encoder, and write the gallery."""
    line = parser()
    options = line.parse_args(list(arguments))
    try:
        made = line.instantiate(options)
        data: DataSettings = made.data
        settings: EncoderSettings = made.encoder
        for name in ("batch_size", "shard_size", *(["threads"] if options.threads is not None else [])):
            at_least(name, getattr(options, name), 1)
    except ValueError as reason:
        line.error(str(reason))
    if options.output.is_file():
        line.error(f"--output {options.output} is a file; name a folder for the gallery and its manifest")
    if options.append and (options.overwrite or options.drop_removed):
        line.error("--append adds to what is there; leave --overwrite and --drop_removed out")
    source = read_source(data, options.on_bad_image)
    items = source.items
    if items.kind != settings.items:
        line.error(_mismatch(data, source, settings))
    import torch

    from data_prep.manifests import command_line, write_manifest
    from multiturn.building import build
    from multiturn.gallery_files import NAME
    from multiturn.processes import launched, own_device
    from multiturn.shards import Building

    everyone = launched()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    for reason, count in source.left_out.items():
        if everyone.is_main_process and count:
            print(f"left out: {count:,} ({reason})", file=sys.stderr)
    encoder = make_encoder(settings, own_device())
    names = ("batch_size", "shard_size", "dtype", "on_bad_image", "overwrite", "drop_removed", "append")
    how = Building(**{name: getattr(options, name) for name in names})
    built = build(encoder, items.values, items.ids, items.source, options.output / NAME, how)
    if everyone.is_main_process:
        chosen = {name: one for name, one in asdict(settings).items() if one is not None}
        write_manifest(built, source, data.as_json(), chosen, command_line("data_prep.encode"), options.append)
    everyone.wait_for_everyone()
    everyone.print(f"{options.output}: {built.candidates:,} candidates, {built}; made by {encoder.fingerprint}")


def _mismatch(data: DataSettings, source: Source, settings: EncoderSettings) -> str:
    kind = source.items.kind
    fitting = ", ".join(name for name, told in KINDS.items() if told[0] == kind)
    texts = " or name a column of texts with --data.column;" if kind == "image" else ""
    return f"{data.name} holds {kind}s, and {settings.kind} encodes {settings.items}s;{texts} {kind}s take {fitting}"


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
