"""The texts of a protocol as paragraphs and lists; how these look is decided by the templates."""

import re
from dataclasses import dataclass
from typing import Literal

ITEM = re.compile(r"\s*(?:[-*•]|(\d{1,2})[.)])\s+(?=\S)")


@dataclass
class Block:
    """A part of a text.

    Attributes:
        kind: a paragraph, a list, or a numbered list.
        parts: the one text of a paragraph, or the items of a list.
        first: number of the first item.
    """

    kind: Literal["p", "ul", "ol"]
    parts: list[str]
    first: int = 1


def blocks(text: str) -> list[Block]:
    r"""What a text consists of: lines belong together up to a blank line or the next item of a list.

    An item begins with '-', '*', '•' or a number; a number within a paragraph begins a list only if it is 1, as in
    Markdown, so that a sentence may go on with a number in a new line.

    Example:
        >>> for block in blocks("You may stop\nat any time.\n\nWe keep:\n- what you say,\n- when you\n  say it."):
        ...     print(block.kind, block.parts)
        p ['You may stop at any time.']
        p ['We keep:']
        ul ['what you say,', 'when you say it.']
    """
    found: list[Block] = []
    begins = True  # whether the line before was blank
    for line in text.strip().splitlines():
        item, words = ITEM.match(line), line.strip()
        if item and item[1] and not begins and found[-1].kind != "ol" and int(item[1]) != 1:
            item = None
        if item:
            kind, words = "ol" if item[1] else "ul", line[item.end() :].strip()
            if found and found[-1].kind == kind:
                found[-1].parts.append(words)
            else:
                found.append(Block(kind, [words], int(item[1] or 1)))
        elif words and begins:
            found.append(Block("p", [words]))
        elif words:
            found[-1].parts[-1] += f" {words}"
        begins = not words
    return found
