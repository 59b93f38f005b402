"""What README.md and RESULTS.md promise: measured blocks are what the JSON files give, and commands exist."""

import importlib.util
import re
import shlex

import pytest

from benchmarks.readme import PAGES, README, rewritten, unlike

ROOT = README.parent
BASH = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """The commands of bash blocks that begin with python or make, in words; continued lines are one command."""
    lines = [line for block in BASH.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True)) and words[0] in {"python", "make"}]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def is_module(name: str) -> bool:
    """Whether python -m could run it: a file of the checkout, or an installed module from elsewhere."""
    path, top = ROOT / name.replace(".", "/"), name.partition(".")[0]
    if (ROOT / top).exists():
        return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    return importlib.util.find_spec(top) is not None


def missing(words: list[str]) -> list[str]:
    """What a command names and nobody finds: a file, a module, a make target, a configuration."""
    program, *rest = words
    if program == "make":
        return [word for word in rest if not word.startswith("-") and "=" not in word and word not in targets()]
    named = [rest[1]] if rest[:1] == ["-m"] and not is_module(rest[1]) else []
    if rest and rest[0].endswith(".py") and not (ROOT / rest[0]).is_file():
        named.append(rest[0])
    return named + [word for word in rest if word.startswith("configs/") and not (ROOT / word).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_measured_blocks_are_what_the_json_files_give(page):
    text = page.read_text(encoding="utf-8")
    assert unlike(text, rewritten(text)) == "", "run python -m benchmarks.readme"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_names_something_that_exists(page):
    found = commands(page.read_text(encoding="utf-8"))
    assert found
    assert {shlex.join(words): missing(words) for words in found if missing(words)} == {}


def test_a_command_that_names_nothing_is_found_out():
    text = (
        "```bash\npython -m eval.nothing\nmake nonsense  # no\npython lost.py --a \\\n  --config configs/no.yaml\n```\n"
    )
    assert [missing(words) for words in commands(text)] == [
        ["eval.nothing"],
        ["nonsense"],
        ["lost.py", "configs/no.yaml"],
    ]


def test_a_command_that_exists_is_left_alone():
    text = (
        "```bash\nmake test PYTHON=python3.12\npython -m benchmarks.run --quick\npython -m venv .venv\ncd away\n```\n"
    )
    assert [missing(words) for words in commands(text)] == [[], [], []]


def test_only_bash_blocks_hold_commands():
    assert commands("```python\nmake nonsense\n```\npython lost.py\n") == []
