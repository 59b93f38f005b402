"""Templates of cards; what fills them is elsewhere."""

from typing import Any


def rendered(template: str, **values: Any) -> str:
    """Fill a template of this folder; a value that it names and nobody gives is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("multiturn.publishing", "."),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
