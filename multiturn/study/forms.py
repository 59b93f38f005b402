"""What a participant filled into a web form, put into the words that a task reads; pages are drawn elsewhere."""

from collections.abc import Mapping, Sequence

from multiturn.task import ReplyForm

LONGEST = 2000  # letters that somebody may write in a turn
MARK = "mark-"  # begins the names of fields that hold a sign
SIGNS = {"+": 1, "-": -1}


def words(form: ReplyForm, fields: Mapping[str, str], shown: Sequence[str]) -> str:
    """The text that `multiturn.task.Searchable.read_reply` reads.

    Args:
        form: of the turn that is answered.
        fields: `text`; or '+' and '-' under `mark-1`, `mark-2`, ... for attributes or places of the page; or
            `closest`, a place of the page, from 1.
        shown: ids on the page that is answered.
    Raises:
        ValueError: nothing was said, too much, or about a place beyond the page.
    Example:
        >>> words(ReplyForm("comparison", ("Male", "Young")), {"mark-1": "-", "mark-2": "+"}, ["a"])
        'same: Young; differs: Male'
        >>> words(ReplyForm("wanted", ("Male", "Young")), {"mark-1": "-", "mark-2": "+"}, [])
        'not Male, Young'
        >>> words(ReplyForm("judgements"), {"mark-2": "-", "mark-3": "+"}, ["a", "b", "c"])
        '-2 +3'
        >>> words(ReplyForm("example"), {"closest": "2"}, ["a", "b", "c"])
        'example: b'
    """
    match form.kind:
        case "text":
            said = " ".join(fields.get("text", "").split())
            if not said:
                raise ValueError("Please write something about the image.")
            if len(said) > LONGEST:
                raise ValueError(f"Please write at most {LONGEST:,} characters; these are {len(said):,}.")
            return said
        case "wanted":
            signs = _signs(fields, len(form.attributes))
            if not signs:
                raise ValueError("Please choose at least one feature that the image has or lacks.")
            named = [(form.attributes[place - 1], sign) for place, sign in signs.items()]
            return ", ".join(name if sign == "+" else f"not {name}" for name, sign in named)
        case "comparison":
            signs = _signs(fields, len(form.attributes))
            if not signs:
                raise ValueError("Please choose at least one feature that is the same or differs.")
            listed = {sign: [form.attributes[place - 1] for place in signs if signs[place] == sign] for sign in SIGNS}
            heads = zip(("same", "differs"), listed.values(), strict=True)
            return "; ".join(f"{head}: {', '.join(names)}" for head, names in heads if names)
        case "judgements":
            signs = _signs(fields, len(shown))
            if not signs:
                raise ValueError("Please mark at least one image as like or unlike the one you look for.")
            return " ".join(f"{sign}{place}" for place, sign in signs.items())
        case "example":
            if "closest" not in fields:
                raise ValueError("Please choose the image that is closest to the one you look for.")
            return f"example: {shown[place_of(fields['closest'], len(shown)) - 1]}"


def place_of(text: str, most: int) -> int:
    """A place of a page, from 1.

    Raises:
        ValueError: it is no number, or beyond the page.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise ValueError(f"There is no place {text[:20]!r} on this page; it shows 1 to {most}.")
    return int(text)


def _signs(fields: Mapping[str, str], most: int) -> dict[int, str]:
    """The signs that were set, by place from 1."""
    signs = {}
    for name, sign in fields.items():
        if name.startswith(MARK) and sign in SIGNS:
            signs[place_of(name.removeprefix(MARK), most)] = sign
    return dict(sorted(signs.items()))
