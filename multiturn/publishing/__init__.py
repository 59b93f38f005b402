"""What a finished run or a gallery looks like on the Hub: which files, and the card that is written from them."""

from multiturn.publishing.galleries import publish_gallery
from multiturn.publishing.run_card import write_card
from multiturn.publishing.runs import publish_run

__all__ = ["publish_gallery", "publish_run", "write_card"]
