"""Claims about transcripts: what was written is read back, and damage is survived or named."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.ranks import Ranks
from multiturn.replies import TextReply
from multiturn.session import Turn
from multiturn.transcript import TranscriptWriter, read_transcript, transcript_rows

GALLERY = Gallery.of(["a", "b", "c"], torch.eye(3), "f", "s")
HEADER = {"gallery": "three", "attributes": ("x", "y")}
OPENING = Turn(
    0,
    torch.tensor([7, 9]),
    torch.tensor([[0, 2], [1, 0]]),
    torch.full((2, 2), torch.nan, dtype=torch.float64),
    None,
    None,
    None,
)
NEXT = Turn(
    1,
    torch.tensor([7, 9]),
    torch.tensor([[2], [1]]),
    torch.tensor([[-1 / 3], [0.5]], dtype=torch.float64),
    TextReply(("a “smile”\nno hat\u2028", "")),
    None,
    Ranks(torch.tensor([1, 2]), torch.tensor([3, 2]), 3),
)

WRITES_FOR_EVER = """
import sys
from pathlib import Path
from multiturn.transcript import TranscriptWriter
writer = TranscriptWriter(Path(sys.argv[1]), {"gallery": "three"})
print("ready", flush=True)
while True:
    writer._write([{"session": 1, "text": "x" * 3000}] * 50)
"""


def write(path: Path) -> None:
    with TranscriptWriter(path, HEADER) as writer:
        writer.append(OPENING, GALLERY, ["c", "b"])
        writer.append(NEXT, GALLERY)


def test_a_line_holds_what_was_shown_said_and_ranked():
    assert next(transcript_rows(NEXT, GALLERY, ["c", "b"])) == {
        "session": 7,
        "turn": 1,
        "target": "c",
        "reply": {"kind": "text", "text": "a “smile”\nno hat\u2028"},
        "shown": ["c"],
        "scores": [-1 / 3],
        "rank": [1, 3],
    }


def test_an_opening_page_has_no_scores_and_no_reply():
    row = next(transcript_rows(OPENING, GALLERY))
    assert row == {"session": 7, "turn": 0, "reply": None, "shown": ["a", "c"], "scores": [None, None]}


def test_what_was_written_is_read_back(tmp_path: Path):
    write(tmp_path / "deep" / "t.jsonl")
    read = read_transcript(tmp_path / "deep" / "t.jsonl")
    assert read.header == {"schema": 1, "gallery": "three", "attributes": ["x", "y"]}
    assert read.rows == [*transcript_rows(OPENING, GALLERY, ["c", "b"]), *transcript_rows(NEXT, GALLERY)]
    assert (read.torn, read.whole_bytes) == ("", (tmp_path / "deep" / "t.jsonl").stat().st_size)


def test_a_torn_last_line_is_left_out_and_reported_wherever_it_ends(tmp_path: Path):
    path = tmp_path / "t"
    write(path)
    data = path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    for length in range(start, len(data) - 1):
        path.write_bytes(data[:length])
        read = read_transcript(path)
        assert len(read.rows) == 3
        assert read.torn.encode() == data[start:length]


def test_a_line_torn_within_a_character_is_reported_too(tmp_path: Path):
    write(tmp_path / "t")
    with (tmp_path / "t").open("ab") as file:
        file.write('{"text": "é'.encode()[:-1])
    assert read_transcript(tmp_path / "t").torn.startswith('{"text": "')


def test_a_transcript_is_continued_and_its_torn_line_cut_off(tmp_path: Path):
    path = tmp_path / "t"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"session": 7, "tu')
    with TranscriptWriter(path, HEADER) as writer:
        writer.append(NEXT, GALLERY)
    assert path.read_bytes().startswith(whole)
    assert read_transcript(path).rows[-2:] == list(transcript_rows(NEXT, GALLERY))


@pytest.mark.parametrize("length", [0, 1, 20, -1])
def test_a_header_that_a_crash_left_torn_is_written_again(tmp_path: Path, length):
    path = tmp_path / "t"
    with TranscriptWriter(path, HEADER):
        pass
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    write(path)
    assert path.read_bytes().startswith(whole)
    assert len(read_transcript(path).rows) == 4


def test_another_header_is_refused_and_the_file_untouched(tmp_path: Path):
    write(tmp_path / "t")
    before = (tmp_path / "t").read_bytes()
    with pytest.raises(ValueError, match="something else"):
        TranscriptWriter(tmp_path / "t", {**HEADER, "gallery": "four"})
    assert (tmp_path / "t").read_bytes() == before


@pytest.mark.parametrize("damage", [b"\xff\xfe\xff", b"\0\0\0", b"{", b"", b"nonsense"])
def test_a_damaged_line_in_the_middle_is_named_by_its_number(tmp_path: Path, damage):
    write(tmp_path / "t")
    lines = (tmp_path / "t").read_bytes().split(b"\n")
    lines[2] = damage
    (tmp_path / "t").write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match="line 3 of"):
        read_transcript(tmp_path / "t")


@pytest.mark.parametrize("content", [b"", b'{"schema": 1', b"[]\n", b'{"schema": 2}\n', b"5\n"])
def test_a_file_without_a_whole_header_is_refused(tmp_path: Path, content):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(ValueError, match="does not begin with the header"):
        read_transcript(tmp_path / "t")


def test_characters_that_some_take_for_line_ends_are_none(tmp_path: Path):
    text = json.dumps({"text": "a\u2028b\u0085c"}, ensure_ascii=False)
    (tmp_path / "t").write_text('{"schema": 1}\n' + text + "\n", encoding="utf-8")
    assert read_transcript(tmp_path / "t").rows == [{"text": "a\u2028b\u0085c"}]


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_lines_and_at_most_one_torn(tmp_path: Path):
    path, chance = tmp_path / "t", random.Random(0)
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITES_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.random() * 0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        read = read_transcript(path)
        assert all(row == {"session": 1, "text": "x" * 3000} for row in read.rows)
        TranscriptWriter(path, {"gallery": "three"}).__exit__()
        assert read_transcript(path).torn == ""
