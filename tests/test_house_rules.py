"""What holds for the repository as a whole, whatever the code does."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError
from setuptools import find_namespace_packages

from multiturn.ranks import ranks_of_targets

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("multiturn", "drilldown", "facefb", "relevance", "data_prep")
PROGRAMS = {"train", "eval"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The brackets keep this file from naming what it forbids.
REGISTRY = re.compile(r"pypi\.[o]rg|python[h]osted|download\.[p]ytorch|registry\.[n]pmjs|deb\.[d]ebian")
MACHINE = re.compile(r"(?<![\w.~$}/-])/(?:work|farm|root|home|Users)/")


def text_files() -> Iterator[Path]:
    """Every file that a person may have written, outside the folders that tools and runs fill."""
    for path in sorted(ROOT.iterdir()):
        if path.is_file():
            yield path
        elif path.name in {".ci", *PACKAGES, "benchmarks", "configs", "eval", "tests"}:
            yield from (file for file in sorted(path.rglob("*")) if file.is_file())


def places(pattern: re.Pattern[str]) -> list[str]:
    """Places where `pattern` occurs, as `file:line`; bytes that are no text cannot match."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        if path.suffix != ".pyc"
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1)
        if pattern.search(line)
    ]


def imported_by(path: Path) -> set[str]:
    """Top-level names that the Python file at `path` imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


def test_no_file_names_a_registry_host():
    assert places(REGISTRY) == []


def test_no_file_names_a_path_of_one_machine():
    assert places(MACHINE) == []


def test_the_patterns_find_what_they_are_for():
    assert REGISTRY.search("https://pypi." + "org/simple")
    assert MACHINE.search('root = "/' + 'home/me/data"')


def test_no_file_of_the_packages_is_over_300_lines():
    long = {
        str(path.relative_to(ROOT)): lines
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}


def test_importing_the_packages_does_not_import_anything_heavy():
    heavy = {"torch", "transformers", "datasets", "open_clip", "sentence_transformers", "faiss", "matplotlib"}
    code = f"import {', '.join(PACKAGES)}, sys; print(sorted({heavy!r} & set(sys.modules)))"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed.strip() == "[]"


def test_faiss_is_told_of_the_processor_wherever_it_is_imported():
    guilty = [path.name for path in text_files() if path.suffix == ".py" and "faiss" in imported_by(path)]
    assert guilty == ["faiss_library.py"]


def test_only_the_five_packages_are_installed():
    find = PYPROJECT["tool"]["setuptools"]["packages"]["find"]
    found = find_namespace_packages(str(ROOT), include=find["include"], exclude=find["exclude"])
    assert {name.split(".")[0] for name in found} == set(PACKAGES)


def test_nobody_imports_the_programs():
    guilty = {
        str(path.relative_to(ROOT)): names
        for path in text_files()
        if path.suffix == ".py" and (names := imported_by(path) & PROGRAMS)
    }
    assert guilty == {}, "run a program as a user does: python -m eval.<name>, or runpy.run_module"


def test_nobody_but_tests_imports_tests():
    files = [path for path in text_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"]
    assert [str(path.relative_to(ROOT)) for path in files if "tests" in imported_by(path)] == []


def test_every_module_of_multiturn_stands_on_a_floor():
    floors = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = set(re.findall(r"multiturn\.(\w+)", " ".join(floors)))
    modules = {path.stem for path in (ROOT / "multiturn").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert modules - {"__init__", "__pycache__"} <= placed


@pytest.mark.parametrize(
    "name", ["README.md", "FIDELITY.md", "STUDIES.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"]
)
def test_the_page_is_there(name):
    assert (ROOT / name).stat().st_size > 0


def test_a_shape_that_contradicts_an_annotation_is_caught_under_test():
    two_sessions, one_target = torch.zeros(2, 3), torch.zeros(1, dtype=torch.long)
    with pytest.raises(TypeCheckError):
        ranks_of_targets(two_sessions, one_target)
