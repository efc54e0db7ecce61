-- Why: the event log is the truth. Everything that queries read can be made again from it,
-- so it is the one table that must never change a row. The triggers stop honest mistakes;
-- the hash chain shows the others.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY,
    id      TEXT    NOT NULL UNIQUE,
    at      INTEGER NOT NULL,          -- microseconds since 1970, never decreasing
    actor   TEXT    NOT NULL,
    station TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    payload TEXT    NOT NULL,
    prev    BLOB    NOT NULL,
    hash    BLOB    NOT NULL
) STRICT;

CREATE INDEX events_kind ON events (kind, seq);

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- What the line is: its id (the name of its hash chain) and the format of this file.
CREATE TABLE line (
    station TEXT NOT NULL
) STRICT;

-- Passing state, outside the log: who has which item on the screen.
CREATE TABLE leases (
    item_id  TEXT PRIMARY KEY,
    reviewer TEXT    NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far out/decisions.jsonl has been written, for when that file was rotated away.
CREATE TABLE outbox (
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO outbox VALUES (0);
