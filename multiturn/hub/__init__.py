"""Checkpoints and galleries on the Hugging Face Hub: names, downloads that are checked, uploads; no model lives here.

What a repository of ours must hold is in `multiturn.publishing`.
"""

from multiturn.hub.fetching import local_checkpoint, local_gallery
from multiturn.hub.names import HubName

__all__ = ["HubName", "local_checkpoint", "local_gallery"]
