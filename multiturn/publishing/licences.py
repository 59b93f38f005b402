"""Licences by which the pictures of a data set, and what is computed of them, may be passed on; no legal advice."""

# Names in the spelling of the Hub, and in that of our data sets.
_OPEN = {
    "apache-2.0": "apache-2.0",
    "mit": "mit",
    "cc0-1.0": "cc0-1.0",
    "cc-by-4.0": "cc-by-4.0",
    "creative commons attribution 4.0 international": "cc-by-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
}


def hub_licence(licence: str) -> str:
    """How the Hub calls a licence; 'other' if it is none that allows all to pass the data on.

    Example:
        >>> hub_licence("Creative Commons Attribution 4.0 International"), hub_licence("non-commercial research only")
        ('cc-by-4.0', 'other')
    """
    return _OPEN.get(licence.strip().rstrip(".").lower(), "other")


def may_be_passed_on(licence: str) -> bool:
    """Whether a licence lets everybody pass the data on; what is not known to does not.

    Example:
        >>> may_be_passed_on("Apache-2.0"), may_be_passed_on("")
        (True, False)
    """
    return hub_licence(licence) != "other"
