"""What a caption must be before it is used as a query; no tokenising and no vocabulary."""

# Of 40,455 captions of Flickr8k and 40,369 phrases of Visual Genome the longest has 38 words.
MOST_WORDS = 500


def check_caption(text: object, where: str) -> str:
    """Return a caption without the blanks around it.

    Args:
        where: file and entry, for the message.
    Raises:
        ValueError: it is no text, has no word, or more than `MOST_WORDS`.
    Example:
        >>> check_caption(" two dogs play ", "captions.csv line 2")
        'two dogs play'
        >>> check_caption(None, "captions.csv line 3")
        Traceback (most recent call last):
        ValueError: captions.csv line 3: caption None is no text; correct or remove the entry
    """
    if not isinstance(text, str):
        raise ValueError(f"{where}: caption {str(text)[:60]} is no text; correct or remove the entry")
    caption = text.strip()
    if not caption:
        raise ValueError(f"{where}: caption is empty; correct or remove the entry")
    words = len(caption.split())
    if words > MOST_WORDS:
        raise ValueError(
            f"{where}: caption has {words:,} words, more than {MOST_WORDS}, and begins {caption[:40]!r}; "
            "correct or remove the entry"
        )
    return caption
