"""A gallery on the Hub, as a data set: vectors and ids, never a picture, with a card that says what they are."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from data_prep.manifests import MANIFEST, counts, read_manifest
from multiturn.gallery_files import NAME, GalleryFile
from multiturn.hub import HubName
from multiturn.hub.pushing import Pushed, push
from multiturn.publishing.licences import hub_licence, may_be_passed_on
from multiturn.publishing.templates import rendered

if TYPE_CHECKING:
    from huggingface_hub import DatasetCard


def publish_gallery(path: Path, name: HubName, private: bool | None = None, despite_licence: bool = False) -> Pushed:
    """Push a gallery to the Hub as a data set: gallery.safetensors, its manifest and a card; no labels, no pictures.

    Args:
        path: the gallery's file or folder.
        name: of the repository; its revision is the branch to push to.
        private: whether a new repository is seen by its owners alone; None leaves it to the owners' settings.
        despite_licence: push it although nothing says that everybody may pass the data on.
    Raises:
        FileNotFoundError: no such gallery.
        ValueError: a damaged file, or a licence that does not let everybody pass the data on.
        PermissionError, OSError: see `multiturn.hub.pushing.push`.
    """
    file = GalleryFile(path)
    manifest = manifest_of(file)
    licence = manifest.get("licence", "")
    if not despite_licence and not may_be_passed_on(licence):
        raise ValueError(
            f"the licence of the data ({licence or 'not stated'}) does not let everybody pass on what is computed of "
            "it; where you may, add --despite_licence"
        )
    with TemporaryDirectory() as folder:
        card = Path(folder) / "README.md"
        gallery_card(file, manifest, str(name)).save(card)
        files = {NAME: file.path, "README.md": card}
        if manifest:
            files[MANIFEST] = file.path.parent / MANIFEST
        return push(files, name, "dataset", f"Push a gallery of {len(file):,} candidates", private)


def manifest_of(file: GalleryFile) -> dict[str, Any]:
    """The manifest beside a gallery; empty where there is none, or it is of another file."""
    manifest = read_manifest(file.path.parent)
    return manifest if manifest.get("gallery", {}).get("file") == file.path.name == NAME else {}


def gallery_card(file: GalleryFile, manifest: dict[str, Any], name: str) -> "DatasetCard":
    """Make the card of a gallery.

    Args:
        file: of the gallery.
        manifest: beside it; empty where there is none.
        name: of the repository, for the commands that use it.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    licence = manifest.get("licence", "")
    known = hub_licence(licence)
    data = DatasetCardData(
        license=known,
        license_name="that-of-the-data" if known == "other" else None,
        pretty_name=f"Gallery: {file.source}",
        tags=["image-retrieval", "embeddings", "multi-turn"],
    )
    return DatasetCard(
        rendered(
            "gallery_card.md.j2",
            card_data=data.to_yaml(),
            file=file,
            counts=counts(file),
            bytes=file.path.stat().st_size,
            manifest=manifest,
            licence=licence,
            name=name,
        )
    )
