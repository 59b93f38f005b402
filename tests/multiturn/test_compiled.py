"""Claims about work that compiled code does in threads: all of it once, on either kind of threads, with its errors."""

import threading

import pytest
import torch

from multiturn import compiled

MUCH = 1 << 40  # products


def test_what_a_compiler_cannot_make_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MULTITURN_KERNEL", raising=False)
    monkeypatch.setenv("CXX", "no-such-compiler")
    (tmp_path / "one.cpp").write_text("int one() { return 1; }")
    with pytest.warns(UserWarning, match="no-such-compiler cannot make one, so PyTorch does its work.*No such file"):
        assert compiled.compiled("one", [tmp_path / "one.cpp"]) is None


@pytest.fixture(params=["of PyTorch", "of our own"])
def threads(request, monkeypatch):
    """Two threads, from one place or the other."""
    if request.param == "of our own":
        monkeypatch.setattr(compiled, "_pytorchs_team", lambda: None)
    elif compiled._pytorchs_team() is None:
        pytest.skip("PyTorch does not use GNU OpenMP here")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("items", [1, 2, 7, 1000])
def test_each_item_is_worked_on_once(items, threads):
    counts, lock = torch.zeros(items, dtype=torch.long), threading.Lock()

    def some(first: int, last: int) -> None:
        with lock:
            counts[first:last] += 1

    compiled.in_threads(some, items, MUCH)
    assert counts.tolist() == [1] * items


def test_two_threads_work_at_the_same_time(threads):
    both = threading.Barrier(2, timeout=60)
    met = set()

    def some(first: int, last: int) -> None:
        if len(met) < 2:
            met.add(threading.get_ident())
            both.wait()

    compiled.in_threads(some, 2, MUCH)
    assert len(met) == 2


def test_an_error_of_any_part_is_raised(threads):
    def some(first: int, last: int) -> None:
        if first <= 60 < last:
            raise ValueError("the part with 60")

    with pytest.raises(ValueError, match="the part with 60"):
        compiled.in_threads(some, 100, MUCH)


def test_little_work_is_done_at_once(threads):
    ranges = []
    compiled.in_threads(lambda first, last: ranges.append((first, last)), 100, 10)
    assert ranges == [(0, 100)]
