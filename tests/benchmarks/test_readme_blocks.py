import json
from pathlib import Path

import pytest

from benchmarks.blocks import (
    ablation_block,
    compact_table,
    encoding_block,
    evaluation_block,
    galleries_block,
    probes_block,
)
from benchmarks.program import RESULTS
from benchmarks.readme import BLOCK, MADE_BY, block_of, readme, rewritten

README = "above\n<!-- begin ablation -->\nold\n<!-- end ablation -->\nbelow\n"
STUDY = [{"title": "Margins", "table": [["Margin", "R@1, %"], ["2.0", "7.00"]], "note": "Drawn faces."}]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "ablation.json").write_text(json.dumps(STUDY))
    return tmp_path


def turn(number: int, percentile: float, tied: bool = False) -> dict:
    values = {"percentile": percentile, "R@1": 0.1, "R@5": 0.2, "R@10": 0.3, "R@100": 0.9, "mean_rank": 12.5}
    intervals = {name: [value * 0.9, value * 1.1] for name, value in values.items()}
    return {"turn": number, **values, "interval": intervals, "ties": {"R@1": [0.0, 0.4]} if tied else {}}


def metrics() -> dict:
    protocol = {"turns": 2, "page_size": 1, "seen": "keep", "tie": "expected", "confidence": 0.95}
    return {
        "data": "made up",
        "model": "GRU",
        "gallery": {"size": 300, "source": "test"},
        "sessions": 40,
        "protocol": protocol,
        "before_feedback": turn(0, 0.5),
        "per_turn": [turn(1, 0.6), turn(2, 0.7)],
        "others": [{"name": "counting", "role": "baseline", "per_turn": [turn(1, 0.65, tied=True)]}],
        "harm_rate": [0.25, 0.125],
        "comparisons": [],
        "warnings": [],
    }


def test_a_block_is_replaced_and_the_rest_stays(results):
    written = rewritten(README, results)
    assert written.startswith("above\n<!-- begin ablation -->\n\n**Margins**")
    assert "| 2.0 | 7.00 |" in written
    assert "old" not in written
    assert written.endswith("<!-- end ablation -->\nbelow\n")


def test_writing_a_written_readme_changes_nothing(results):
    once = rewritten(README, results)
    assert rewritten(once, results) == once


def test_the_check_fails_before_and_passes_after_writing(results, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(README)
    with pytest.raises(SystemExit) as left:
        readme([path], results, check=True)
    assert left.value.code == 1
    assert path.read_text() == README
    readme([path], results)
    readme([path], results, check=True)


@pytest.mark.parametrize("name", MADE_BY)
def test_a_missing_file_is_an_error_that_says_what_makes_it(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="python"):
        block_of(name, tmp_path)


def test_a_file_of_another_form_is_an_error_that_says_what_makes_it(tmp_path):
    (tmp_path / "search.json").write_text("{}")
    with pytest.raises(ValueError, match=r"python -m benchmarks\.search"):
        block_of("search", tmp_path)


def test_an_unknown_block_is_an_error():
    with pytest.raises(ValueError, match="no block is called 'speed'"):
        rewritten("<!-- begin speed -->\n<!-- end speed -->")


@pytest.mark.parametrize(
    "text",
    [
        "<!-- begin ablation -->\n",
        "<!-- end ablation -->\n",
        "<!-- begin ablation -->\n<!-- begin demo -->\n<!-- end demo -->\n<!-- end ablation -->",
    ],
)
def test_markers_that_do_not_pair_up_are_an_error(text, results):
    with pytest.raises(ValueError, match="do not pair up"):
        rewritten(text, results)


def test_a_block_is_found_by_its_own_end():
    assert [block["name"] for block in BLOCK.finditer(README * 2)] == ["ablation", "ablation"]


def test_a_turn_before_the_last_has_the_interval_of_the_percentile_alone():
    line = compact_table(metrics()).splitlines()[3]
    assert line == "| GRU | 1 | 60.00 [54.00, 66.00] | 10.00 | 30.00 | 90.00 | 12.5 | 25.00 |"


def test_every_value_of_a_methods_last_turn_has_its_interval():
    model, other = compact_table(metrics()).splitlines()[4:]
    recalls = "30.00 [27.00, 33.00] | 90.00 [81.00, 99.00] | 12.5 [11.2, 13.8]"
    assert model == f"| GRU | 2 | 70.00 [63.00, 77.00] | 10.00 [9.00, 11.00] | {recalls} | 12.50 |"
    first = "10.00 [9.00, 11.00] (ties 0.00–40.00)"
    assert other == f"| counting (baseline) | 1 | 65.00 [58.50, 71.50] | {first} | {recalls} | – |"


def test_the_note_says_where_intervals_stand_and_what_has_all():
    note = evaluation_block(metrics()).split("\n\n")[-1]
    where = "at the last turn of every method, those of the percentile at every turn"
    assert note.endswith(f"Intervals stand {where}; metrics.json and report.html have all.")


def test_the_compact_table_keeps_the_bounds_of_ties():
    assert "10.00 [9.00, 11.00] (ties 0.00–40.00)" in compact_table(metrics())


def test_turn_0_and_other_methods_have_no_harm():
    lines = compact_table(metrics()).splitlines()
    assert lines[2].endswith("| – |")
    assert lines[5].startswith("| counting (baseline) | 1 |")
    assert lines[5].endswith("| – |")


def test_an_evaluation_without_control_has_no_harm_column():
    assert "Harmed" not in compact_table(metrics() | {"harm_rate": []})


def test_an_evaluation_says_its_protocol_and_leaves_other_recalls_out():
    block = evaluation_block(metrics())
    assert "Data: made up." in block
    assert "Upper bound" in block
    assert "R@5" not in block


def test_every_study_of_an_ablation_has_its_title_and_note():
    assert ablation_block(STUDY * 2).count("**Margins**") == ablation_block(STUDY * 2).count("Drawn faces.") == 2


MACHINE = {"device": "cpu", "cpu": "made up", "threads": 2, "other_programs": 0.0, "versions": {"torch": "9"}}


def measured(limit: int | None = None, **content) -> dict:
    return {"machine": MACHINE, "settings": {"limit": limit, "batch_size": 64}, **content}


def gallery(candidates: int = 40, encoder: str = "SqueezeNet, pooled") -> dict:
    row = {"data": "LFW", "encoder": encoder, "source": "LFW, 40 of 13,233 images", "pictures": 40, "dim": 512}
    sizes = {"float32": 1234.56, "float16": 617.31}
    return row | {
        "candidates": candidates,
        "vectors_per_candidate": 36,
        "pictures_per_second": 12.34,
        "megabytes": sizes,
    }


def probe(found: float = 0.603, least: float | None = 0.58, most: float | None = 0.62, lost: int = 0) -> dict:
    row = {"what": "birds", "pictures": 2200, "found": found, "least": least, "most": most, "without_face": lost}
    return row | {"holds": least is None or found >= least}


def test_the_encoding_block_shows_what_is_in_the_published_file():
    result = json.loads((RESULTS / "encoding.json").read_text())
    block = encoding_block(result)
    assert f"| {result['ways']['plain loop']['pictures_per_second']:.1f} |" in block
    assert f"reaches {result['share_of_plain_loop']:.3f} of the plain loop" in block


def test_the_galleries_block_has_a_line_a_gallery_and_says_each_source_once():
    block = galleries_block(measured(galleries=[gallery(), gallery()]))
    assert block.count("| LFW | SqueezeNet, pooled | 40 | 36 | 512 | 12.3 | 1,234.6 | 617.3 |") == 2
    assert block.count("LFW, 40 of 13,233 images") == 1
    assert "leaves" not in block


def test_pictures_that_have_no_vector_are_counted_below_the_galleries():
    block = galleries_block(measured(galleries=[gallery(), gallery(38, "MobileFaceNet, MTCNN")]))
    assert "MobileFaceNet, MTCNN on LFW leaves 2 of 40 out. Measured on made up" in block


def test_the_probes_block_says_what_was_found_and_what_should_be():
    rows = [probe(), probe(0.932, 0.92, None, 3), probe(0.5)]
    block = probes_block(measured(probes=rows))
    assert "| birds | 0.603 | 0.58 to 0.62 | 2,200 | 0 |" in block
    assert "| birds | 0.932 | ≥ 0.920 | 2,200 | 3 |" in block
    assert "2 of 3 come out as they should" in block


def test_a_trial_run_is_no_result():
    galleries = galleries_block(measured(50, galleries=[gallery()]))
    probes = probes_block(measured(50, probes=[probe(least=None, most=None)]))
    assert "no result" in galleries and "no result" in probes
    assert "come out" not in probes
