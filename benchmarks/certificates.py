"""Certificates of a gallery's indexes, put where the block of RESULTS.md is written from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.program import RESULTS, start
from multiturn.files import write_text

EXAMPLES = """examples:
  python -m data_prep.encode --data.name flickr8k --data.root /data/flickr8k --encoder.kind squeezenet \\
      --encoder.weights FILE --encoder.regions grid --encoder.rows 6 --encoder.columns 6 --output runs/flickr8k
  python -m eval.certify runs/flickr8k --by pooled regions both --proposals 1 10 100
  python -m benchmarks.certificates --gallery runs/flickr8k
"""


def certificates(gallery: Path, output: Path | None = None) -> Path:
    """Copy all certificates that `eval.certify` has kept beside a gallery.

    Args:
        gallery: its file or folder.
        output: folder for certificates.json; benchmarks/results if not given.
    Returns:
        what was written.
    """
    from multiturn.certificates import read_certificates

    found = read_certificates(gallery)
    if not found:
        raise FileNotFoundError(f"no certificate beside {gallery}; make some with python -m eval.certify {gallery}")
    path = (output or RESULTS) / "certificates.json"
    write_text(path, json.dumps({"certificates": [asdict(one) for one in found]}, indent=1) + "\n")
    print(f"written to {path}")
    return path


def table_of_certificates(result: Mapping[str, Any]) -> str:
    """The block of RESULTS.md: a row an index and effort."""
    from multiturn.certificates import Certificate
    from multiturn.report.certificates import certificates_table, table_note
    from multiturn.report.tables import markdown_table

    found = [Certificate.of_json(one) for one in result["certificates"]]
    machine = found[0].machine
    measured = f"Measured with faiss {machine['faiss']} and torch {machine['torch']}."
    return markdown_table(certificates_table(found), f"{table_note(found)} {measured}")


if __name__ == "__main__":
    start(certificates, "certificates", EXAMPLES)
