"""What is fixed when a study begins and holds whenever it goes on: protocol, targets, galleries; no participants."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any

from multiturn.study.protocol import TEXTS, StudyProtocol
from multiturn.study.store import Store
from multiturn.study.systems import System
from multiturn.study.tokens import new_secret
from multiturn.study.weights import digest_of_index, digest_of_retriever

# Texts may be corrected while a study runs; each that participants could agree to is kept. Checkpoints may lie
# elsewhere: their weights are compared, and the names of the systems in their order, from which assignments follow.
MAY_CHANGE = (*TEXTS, "systems")


def settled(protocol: StudyProtocol, systems: Mapping[str, System], store: Store) -> dict[str, Any]:
    """Fix a study's facts in its database, or check that they are those of the study that goes on there.

    Args:
        systems: of the same candidates, as `multiturn.study.systems.open_systems` has them.
    Returns:
        what `Store.remembered` has: protocol, targets, practice, galleries, weights, texts, secret, created.
    Raises:
        ValueError: no consent text, a target that is not in the gallery, too few candidates for targets or pages, or a
            database of another study (what differs is named): other systems, or the same in another order, other
            weights, other targets or settings.
    """
    if not protocol.consent.strip():
        raise ValueError("nobody can agree to nothing: write what participants agree to under consent")
    galleries = {name: _gallery(system) for name, system in systems.items()}
    first = next(iter(systems.values())).gallery
    for name, system in systems.items():
        pages = protocol.turns + opens_with_a_page(system)
        if protocol.seen != "keep" and pages * protocol.page_size > len(first):
            raise ValueError(
                f"{name}: {pages} pages of {protocol.page_size} candidates, none of them twice, are more than the "
                f"{len(first)} there are; lower turns or page_size, or set seen to keep"
            )
    targets, practice = _targets(protocol, first.ids)
    first.positions(targets)
    weights = {name: _weights(system) for name, system in systems.items()}
    now = {"protocol": asdict(protocol), "targets": targets, "practice": practice, "galleries": galleries}
    old = store.remembered()
    _check_systems(store, old, protocol, weights)
    for name, value in now.items():
        if name in old and (different := _difference(name, old[name], value)):
            raise ValueError(f"{store.path} is the database of another study: {different}; use another --database")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    store.remember({**now, "weights": weights, "secret": new_secret(), "created": created})
    texts = {name: value for name, value in now["protocol"].items() if name in TEXTS}
    store.replace({"texts": texts})
    # The first text as well: a database that was begun by an earlier version has it in the protocol alone.
    for one in (StudyProtocol(**store.remembered()["protocol"]), protocol):
        store.keep_consent(one.consent_version, one.consent)
    return store.remembered()


def opens_with_a_page(system: System) -> bool:
    """Whether a search begins with candidates to speak about; words and wanted attributes need none."""
    return system.task.form().kind not in ("text", "wanted")


def _gallery(system: System) -> dict[str, Any]:
    gallery = system.gallery
    return {
        "source": gallery.source,
        "size": len(gallery),
        "fingerprint": gallery.fingerprint,
        "ids": sha256("\n".join(gallery.ids).encode("utf-8")).hexdigest(),
        "attributes": list(system.task.form().attributes),
        "kind": system.task.form().kind,
    }


def _weights(system: System) -> dict[str, str]:
    return {"weights": digest_of_retriever(system.retriever), "index": digest_of_index(system.index)}


def _check_systems(
    store: Store, old: Mapping[str, Any], protocol: StudyProtocol, weights: Mapping[str, Mapping[str, str]]
) -> None:
    """Raise ValueError if participants would search with other systems than those that the study was begun with."""
    if "protocol" not in old:
        return
    before, now = old["protocol"]["systems"], protocol.systems
    if list(before) != list(now):
        raise ValueError(
            f"{store.path} is the database of another study: its systems are {', '.join(before)}, not "
            f"{', '.join(now)}; name them in that order, on which assignments depend, or use another --database"
        )
    # A database that was begun by an earlier version knows of none.
    for name, known in old.get("weights", {}).items():
        for part in ("weights", "index"):
            if (was := known[part]) != (found := weights[name][part]):
                raise ValueError(
                    f"{store.path} was begun with {before[name]} as {name}, {part} {was[:12] or 'none'}; {now[name]} "
                    f"has {part} {found[:12] or 'none'}; serve the one it was begun with, or use another --database"
                )


def _targets(protocol: StudyProtocol, ids: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The targets, and others to practise with."""
    draws = Random(protocol.seed)
    listed = protocol.targets if isinstance(protocol.targets, list) else None
    wanted = protocol.practice + (protocol.target_count if listed is None else 0)
    free = ids if listed is None else [name for name in ids if name not in set(listed)]
    if wanted > len(free):
        raise ValueError(f"{wanted} targets to draw, practice included, but {len(free)} candidates; ask for fewer")
    drawn = draws.sample(free, wanted)
    practice = drawn[: protocol.practice]
    return (drawn[protocol.practice :] if listed is None else listed), practice


def _difference(name: str, old: Any, new: Any) -> str:
    """What differs, in words; "" if nothing does."""
    if not isinstance(old, dict):
        return "" if old == new else f"it has other {name}"
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    changed = [key for key in changed if name != "protocol" or key not in MAY_CHANGE]
    if not changed:
        return ""
    key = changed[0]
    return f"{name} had {key} {old.get(key)!r} and now has {new.get(key)!r}"
