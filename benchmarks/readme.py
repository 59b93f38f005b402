"""The measured blocks of README.md and RESULTS.md: each is written from a JSON file, and checked against it."""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.program import RESULTS, start
from multiturn.files import write_text

ROOT = Path(__file__).resolve().parent.parent
README, RESULTS_PAGE = ROOT / "README.md", ROOT / "RESULTS.md"
PAGES = (README, RESULTS_PAGE)
EXAMPLES = """examples:
  python -m benchmarks.readme
  python -m benchmarks.readme --check
"""
FLAGS = {"check": "change nothing; exit with status 1 if a page is not what the JSON files give"}
EVALUATED = "{train} --output_dir runs/{name}, then python -m benchmarks.publish --run runs/{name} --name {name}"
ABLATED = "{ablate} --output_dir runs/{name}, then python -m benchmarks.publish --run runs/{name} --name {name}"
ABLATE = "python -m eval.ablate --task celeba-feedback"
SOURCE = "--config configs/celeba-feedback/small-celeba.yaml --faces.root FOLDER"
REAL = "as README.md shows for the real data"
# Blocks of another evaluation of a checkpoint.
AGAIN = {
    "celeba-attributes-200": "python -m eval.evaluate --queries.count 200",
    "celeba-attributes-one-crop": "python train.py --task celeba-attributes --faces.split train-crop",
    "cub-relevance-cutout": "python -m eval.evaluate --queries.degradation cutout",
    "cub-relevance-gamma": "python -m eval.evaluate --queries.degradation gamma",
    "lfw-reverse-kept": "python -m eval.evaluate --examples.self_hit keep",
    "lfw-open-set": "python -m benchmarks.publish --run runs/lfw-reverse --name lfw-open-set",
}
# Blocks that are made of the file of another one.
SAME = {"cub-relevance-short": "cub-relevance", "flickr8k-short": "flickr8k"}
# What makes the JSON file of each block.
MADE_BY = {
    "search": "python -m benchmarks.search",
    "search_whole": "python -m benchmarks.search_whole",
    "full_size": "python -m benchmarks.full_size",
    "epoch": "python -m benchmarks.epoch",
    "encoding": "python -m benchmarks.encoding",
    "galleries": "python -m benchmarks.galleries",
    "certificates": "python -m eval.certify, then python -m benchmarks.certificates, as RESULTS.md shows",
    "probes": "python -m benchmarks.probes",
    "demo": EVALUATED.format(train="python train.py --task celeba-feedback", name="demo"),
    "celeba": EVALUATED.format(train=f"python train.py --task celeba-feedback {SOURCE}", name="celeba"),
    "regions": "python -m benchmarks.regions --checkpoint runs/drilldown-5x256",
    "regions-vnni": "python -m benchmarks.regions, on a processor without matrix registers",
    "regions-avx2": "python -m benchmarks.regions, on a processor with short registers",
    "scaling": "python -m benchmarks.scaling",
    "scripted-faces": "python -m eval.study run as STUDIES.md shows, then python -m benchmarks.publish --run "
    "runs/study-faces --name scripted-faces",
    "kills": "python -m benchmarks.kills",
    "relevance": "python -m benchmarks.relevance",
    "study_load": "make demo, then python -m benchmarks.study_load",
    "study_kills": "make demo, then python -m benchmarks.study_kills",
    "drilldown": EVALUATED.format(train="python train.py --task vg-drilldown", name="drilldown"),
    "defaults": "python -m benchmarks.defaults",
    **{
        name: EVALUATED.format(train=f"python train.py --task {name} {REAL}", name=name)
        for name in ("celeba-attributes", "cub-relevance", "lfw-reverse")
    },
    **{name: f"{command}, as RESULTS.md shows" for name, command in AGAIN.items()},
    "cub-relevance-short": EVALUATED.format(train=f"python train.py --task cub-relevance {REAL}", name="cub-relevance"),
    **{
        name: ABLATED.format(ablate=f"python -m eval.ablate --task vg-drilldown {REAL}", name="flickr8k")
        for name in ("flickr8k", "flickr8k-short")
    },
    "ablation": ABLATED.format(ablate=ABLATE, name="ablation"),
    "ablation-celeba": ABLATED.format(ablate=f"{ABLATE} {SOURCE}", name="ablation-celeba"),
}
BLOCK = re.compile(r"(?P<begin><!-- begin (?P<name>\S+) -->\n).*?(?P<end><!-- end (?P=name) -->)", re.DOTALL)
MARKER = re.compile(r"<!-- (?:begin|end) (\S+) -->")


def readme(pages: Sequence[Path] = PAGES, results: Path = RESULTS, check: bool = False) -> None:
    """Write the blocks of the pages between `<!-- begin NAME -->` and `<!-- end NAME -->` from NAME.json.

    Args:
        pages: README.md and RESULTS.md.
        results: folder of the JSON files.
    """
    outdated = False
    for path in pages:
        text = path.read_text(encoding="utf-8")
        wanted = rewritten(text, results)
        if not check:
            write_text(path, wanted)
        elif difference := unlike(text, wanted):
            print(f"{path.name} is out of date; run python -m benchmarks.readme\n{difference}", file=sys.stderr)
            outdated = True
    if outdated:
        sys.exit(1)


def rewritten(text: str, results: Path = RESULTS) -> str:
    """The text of a page with every block as its JSON file gives it.

    Raises:
        ValueError: an unknown block, a marker without its partner, or a JSON file of another form.
        FileNotFoundError: a JSON file is missing; the message says what makes it.
    """
    left_over = MARKER.findall(BLOCK.sub("", text))
    inside = [name for block in BLOCK.finditer(text) for name in MARKER.findall(block[0]) if name != block["name"]]
    if left_over or inside:
        raise ValueError(
            f"the markers of block {(left_over + inside)[0]!r} do not pair up: begin, then end, not nested"
        )
    return BLOCK.sub(lambda block: f"{block['begin']}\n{block_of(block['name'], results)}\n\n{block['end']}", text)


def block_of(name: str, results: Path = RESULTS) -> str:
    """One block in Markdown.

    Raises:
        ValueError: no block has this name, or its JSON file has another form.
        FileNotFoundError: its JSON file is missing; the message says what makes it.
    """
    if name not in MADE_BY:
        raise ValueError(f"no block is called {name!r}; known: {', '.join(MADE_BY)}")
    file = results / f"{SAME.get(name, name)}.json"
    if not file.is_file():
        raise FileNotFoundError(f"block {name} needs {file.name} in {results.name}: {MADE_BY[name]}")
    content = json.loads(file.read_text(encoding="utf-8"))
    try:
        return _writer(name)(content)
    except (KeyError, TypeError, IndexError) as reason:
        raise ValueError(f"{file.name} is not what block {name} is made of ({reason!r}): {MADE_BY[name]}") from reason


def unlike(text: str, wanted: str) -> str:
    """Lines in which a page differs from what it should be; empty if it is up to date."""
    return "\n".join(difflib.unified_diff(text.splitlines(), wanted.splitlines(), "is", "should be", lineterm="", n=0))


def _writer(name: str) -> Callable[[Any], str]:
    from benchmarks import blocks, system_blocks
    from benchmarks.certificates import table_of_certificates
    from benchmarks.kills import table_of_kills
    from benchmarks.regions import table_of_regions
    from benchmarks.scaling import table_of_scaling
    from benchmarks.search_whole import table_of_whole_search
    from benchmarks.study_kills import study_kills_block
    from benchmarks.study_load import study_load_block

    writers: dict[str, Callable[[Any], str]] = {
        "search": blocks.search_block,
        "search_whole": table_of_whole_search,
        "full_size": blocks.full_size_block,
        "epoch": blocks.epoch_block,
        "encoding": blocks.encoding_block,
        "galleries": blocks.galleries_block,
        "certificates": table_of_certificates,
        "probes": blocks.probes_block,
        "demo": blocks.evaluation_block,
        "celeba": blocks.evaluation_block,
        "regions": table_of_regions,
        "regions-vnni": table_of_regions,
        "regions-avx2": table_of_regions,
        "scaling": table_of_scaling,
        "kills": table_of_kills,
        "study_load": study_load_block,
        "study_kills": study_kills_block,
        "drilldown": blocks.by_turn_block,
        "relevance": system_blocks.refits_block,
        "defaults": system_blocks.defaults_block,
        "celeba-attributes": system_blocks.measures_block,
        "celeba-attributes-200": system_blocks.measures_block,
        "celeba-attributes-one-crop": system_blocks.measures_block,
        "cub-relevance": system_blocks.iterations_block,
        "cub-relevance-short": system_blocks.hits_block,
        "cub-relevance-cutout": system_blocks.iterations_block,
        "cub-relevance-gamma": system_blocks.iterations_block,
        "lfw-reverse": system_blocks.measures_block,
        "lfw-reverse-kept": system_blocks.measures_block,
        "lfw-open-set": system_blocks.open_set_block,
        "scripted-faces": system_blocks.scripted_block,
        "flickr8k": blocks.ablation_block,
        "flickr8k-short": blocks.recall_block,
        "ablation": blocks.ablation_block,
        "ablation-celeba": blocks.ablation_block,
    }
    return writers[name]


if __name__ == "__main__":
    start(readme, "readme", EXAMPLES, FLAGS)
