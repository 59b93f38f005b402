"""The database of a study: participants and what they did, each event durable before it is acknowledged."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.study.progress import Event

SCHEMA = 1
TABLES = """
CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS participants (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    token TEXT NOT NULL UNIQUE,
    code TEXT NOT NULL UNIQUE,
    consent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consents (version TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    participant TEXT NOT NULL REFERENCES participants (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (participant, step)
) STRICT, WITHOUT ROWID;
"""


class Stale(Exception):
    """Somebody answered a page that the participant has left: a second click, or another tab."""


@dataclass(frozen=True)
class Participant:
    """Somebody who agreed to take part.

    Attributes:
        id: random; exports call them by it.
        number: from 0; it gives their order of systems and targets, and is theirs for good once they have begun.
        consent: SHA-256 of the text that they agreed to; `Store.consents` has the text.
    """

    id: str
    number: int
    consent: str


class Store:
    """A study's database, in WAL mode with full synchronisation: what was committed survives a kill and a power cut.

    Deleted content is overwritten. One connection serves all threads of a process, one at a time.

    Args:
        path: of the database; made with its tables if there is none.
        must_exist: refuse to make one.
    Raises:
        FileNotFoundError: there is none and it must exist.
        ValueError: the file is no database of a study, or of another version.
    """

    def __init__(self, path: Path, must_exist: bool = False) -> None:
        if must_exist and not path.is_file():
            raise FileNotFoundError(f"no database at {path}; name the one that python -m eval.study serve wrote")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.executescript(TABLES)
            if self.remembered().setdefault("schema", SCHEMA) != SCHEMA:
                raise ValueError(f"{path} was written by another version; use that one")
            self.remember({"schema": SCHEMA})
        except sqlite3.DatabaseError as reason:
            self._connection.close()
            raise ValueError(f"{path} is no database of a study ({reason}); choose another --database") from reason

    def close(self) -> None:
        """Bring everything into the one file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when the block ends."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def version(self) -> int:
        """A number that changes when another process has written: what is cached is then out of date."""
        return self._read("PRAGMA data_version")[0][0]

    def remembered(self) -> dict[str, Any]:
        """What is fixed for the whole study, by name."""
        return {name: json.loads(value) for name, value in self._read("SELECT name, value FROM study")}

    def remember(self, values: Mapping[str, Any]) -> None:
        """Fix something for the whole study; what was fixed before stays as it is."""
        rows = [(name, json.dumps(value)) for name, value in values.items()]
        with self._writing() as connection:
            connection.executemany("INSERT INTO study VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

    def replace(self, values: Mapping[str, Any]) -> None:
        """Set something that may change while the study runs."""
        rows = [(name, json.dumps(value)) for name, value in values.items()]
        with self._writing() as connection:
            connection.executemany(
                "INSERT INTO study VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", rows
            )

    def keep_consent(self, version: str, text: str) -> None:
        """Keep a text that participants may agree to.

        Args:
            version: SHA-256 of it.
        """
        with self._writing() as connection:
            connection.execute("INSERT INTO consents VALUES (?, ?) ON CONFLICT DO NOTHING", (version, text))

    def consents(self) -> dict[str, str]:
        """All texts that participants could agree to, by their versions."""
        return dict(self._read("SELECT version, text FROM consents"))

    def enrol(self, new_id: str, token: str, code: str, consent: str, at: int) -> Participant:
        """Add a participant who agreed, with their first event; of the same token it returns the one there is.

        Args:
            new_id: random.
            token: as `multiturn.study.tokens.kept` keeps it.
            code: likewise.
            consent: SHA-256 of the text.
            at: milliseconds of the study's clock.
        """
        with self._writing() as connection:
            if (found := self.participant(token)) is not None:
                return found
            number: int = connection.execute(
                "SELECT min(free) FROM (SELECT 0 AS free UNION SELECT number + 1 FROM participants) "
                "WHERE free NOT IN (SELECT number FROM participants)"
            ).fetchone()[0]
            connection.execute(
                "INSERT INTO participants VALUES (?, ?, ?, ?, ?)", (new_id, number, token, code, consent)
            )
            connection.execute("INSERT INTO events VALUES (?, 0, ?, 'consent', '{}')", (new_id, at))
        return Participant(new_id, number, consent)

    def participant(self, token: str) -> Participant | None:
        """Who has a token, as `kept` keeps it."""
        rows = self._read("SELECT id, number, consent FROM participants WHERE token = ?", token)
        return Participant(*rows[0]) if rows else None

    def with_code(self, code: str) -> Participant | None:
        """Who has a withdrawal code, as `kept` keeps it."""
        rows = self._read("SELECT id, number, consent FROM participants WHERE code = ?", code)
        return Participant(*rows[0]) if rows else None

    def number(self, participant: Participant) -> int:
        """The number that a participant has by now; the last known of one who has withdrawn."""
        rows = self._read("SELECT number FROM participants WHERE id = ?", participant.id)
        return rows[0][0] if rows else participant.number

    def participants(self) -> list[Participant]:
        """All of them, in the order of their numbers."""
        return [Participant(*row) for row in self._read("SELECT id, number, consent FROM participants ORDER BY number")]

    def append(self, participant: str, event: Event) -> None:
        """Store an event; when this returns it is on the disk.

        Who begins gets the lowest number that nobody has who began before. Whoever agreed and never began holds none of
        those that count, and may find another one than they were given.

        Raises:
            Stale: the participant has an event of this step already, or has withdrawn.
        """
        row = (participant, event.step, event.at, event.kind, json.dumps(event.body, allow_nan=False))
        try:
            with self._writing() as connection:
                connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
                if event.kind == "begin":
                    _place(connection, participant)
        except sqlite3.IntegrityError as reason:
            raise Stale from reason

    def events(self, participant: str) -> Sequence[Event]:
        """All events of a participant, in their order."""
        rows = self._read("SELECT step, at, kind, body FROM events WHERE participant = ? ORDER BY step", participant)
        return [Event(step, at, kind, json.loads(body)) for step, at, kind, body in rows]

    def keep_time(self, at: int) -> None:
        """Store what the study's clock shows, so that it goes on from there after a crash."""
        self.replace({"clock": at})

    def latest(self) -> int:
        """The last moment of the study's clock that is known: that of an event, or one that was kept for itself."""
        return self._read(
            "SELECT max((SELECT coalesce(max(at), 0) FROM events), "
            "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM study WHERE name = 'clock'))"
        )[0][0]

    def erase(self, participant: str) -> None:
        """Delete a participant and all their events, so that no byte of them is left in the database's files."""
        with self._writing() as connection:
            connection.execute("DELETE FROM participants WHERE id = ?", (participant,))
        self.compact()

    def compact(self) -> None:
        """Write the database anew without anything that was deleted, and empty its log.

        Raises:
            ValueError: another program keeps reading it; it may be tried again.
        """
        with self._lock:
            self._connection.execute("VACUUM")
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise ValueError(f"{self.path} is being read by another program; close it, and withdraw again")


def _place(connection: sqlite3.Connection, participant: str) -> None:
    """Give a participant the lowest number that nobody else has who began; who has it otherwise gets theirs."""
    number, own = connection.execute(
        "WITH begun AS (SELECT number FROM participants AS one WHERE id <> :id AND EXISTS "
        "(SELECT 1 FROM events WHERE participant = one.id AND step > 0)) "
        "SELECT min(free), (SELECT number FROM participants WHERE id = :id) "
        "FROM (SELECT 0 AS free UNION SELECT number + 1 FROM begun) WHERE free NOT IN begun",
        {"id": participant},
    ).fetchone()
    if number != own:
        connection.execute("UPDATE participants SET number = -1 WHERE id = ?", (participant,))
        connection.execute("UPDATE participants SET number = ? WHERE number = ?", (own, number))
        connection.execute("UPDATE participants SET number = ? WHERE id = ?", (number, participant))
