import json

import pytest

from benchmarks import encoding


@pytest.mark.slow
def test_the_encoder_and_the_plain_loop_make_the_same_vectors_and_both_are_timed(tmp_path):
    result = encoding.encoding("test_resnet", 64, pictures=10, batch_size=4, rounds=2, output=tmp_path)
    assert json.loads((tmp_path / "encoding.json").read_text()) == result
    assert result["largest_difference"] < 1e-4
    assert all(len(way["seconds"]) == 2 for way in result["ways"].values())
    assert result["share_of_plain_loop"] > 0
