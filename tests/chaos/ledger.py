"""What the portal's database says, by SQL of our own. Read only; SQLite."""

import contextlib
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path

OPEN = """
SELECT o.target_name, o.action, o.deadline FROM operations o WHERE o.finished_at IS NULL
"""
UNSETTLED = """
SELECT name, observed || ' of ' || desired || ', revision ' || observed_generation || ' of ' ||
       generation || ', boots ' || observed_boots || ' of ' || boots AS what, repair_at
FROM instances
WHERE deleted_at IS NULL AND (launched_at IS NOT NULL OR fault = '' OR desired = 'absent')
  AND (observed <> desired OR observed_generation <> generation OR observed_boots < boots)
UNION ALL
SELECT s.kind || ' ' || coalesce(n.name, h.name), 'held ' || s.held || ' of ' || s.wanted,
       s.repair_at
FROM scopes s LEFT JOIN networks n ON n.id = s.target_id LEFT JOIN hosts h ON h.id = s.target_id
WHERE (s.needed AND s.held < s.wanted) OR (NOT s.needed AND s.held > 0)
"""
TABLES_UNDER_WAY = (
    "SELECT job, deadline FROM tasks WHERE operation_id IS NULL AND finished_at IS NULL"
)
INSTANCES = """
SELECT i.*, h.name AS host FROM instances i JOIN hosts h ON h.id = i.host_id
"""
PORTS = """
SELECT p.id, p.network_id, p.mac, i.id AS instance_id, f.address, i.name, i.hostname, i.desired,
       i.deleted_at, h.name AS host, n.segment_id
FROM ports p JOIN instances i ON i.id = p.owner_id JOIN hosts h ON h.id = i.host_id
             JOIN networks n ON n.id = p.network_id LEFT JOIN fixed_ips f ON f.port_id = p.id
"""
SCOPES = """
SELECT s.*, h.name AS host, n.segment_id FROM scopes s JOIN hosts h ON h.id = s.host_id
LEFT JOIN networks n ON n.id = s.target_id WHERE s.needed
"""


class Ledger:
    """The database of an installation."""

    def __init__(self, path: Path):
        self._path = path

    def rows(self, query: str, *values) -> list[dict]:
        """The rows of a query. Ids, kept as 32 digits, are written with dashes."""
        address = f"file:{self._path}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [_readable(row) for row in connection.execute(query, values)]

    def unfinished(self) -> list[str]:
        """What the cloud is still about, in words; empty once it has come to rest."""
        return (
            [
                f"{row['action']} of {row['target_name']} is open until {row['deadline']}"
                for row in self.rows(OPEN)
            ]
            + [
                f"{row['job']} is under way until {row['deadline']}"
                for row in self.rows(TABLES_UNDER_WAY)
            ]
            + [
                f"{row['name']}: {row['what']}, repaired from {row['repair_at']} on"
                for row in self.rows(UNSETTLED)
            ]
        )

    def latest_deadline(self) -> datetime | None:
        """The last of the deadlines of open operations, or of the times of next repairs."""
        moments = [row["deadline"] for row in self.rows(OPEN)]
        moments += [row["repair_at"] for row in self.rows(UNSETTLED) if row["repair_at"]]
        return max((moment(each) for each in moments), default=None)


def moment(text: str) -> datetime:
    """A time as SQLite keeps it, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _readable(row: sqlite3.Row) -> dict:
    return {
        key: str(uuid.UUID(row[key])) if row[key] and key.rpartition("_")[2] == "id" and
        isinstance(row[key], str) and len(row[key]) == 32 else row[key]
        for key in row.keys()  # noqa: SIM118, iterating a Row gives its values
    }  # fmt: skip
