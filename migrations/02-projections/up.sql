-- Why: queries need current state, not history. Each table here is a fold over the log,
-- written in the transaction of its event; `rebuild` makes the same rows again.
CREATE TABLE items (
    item_id       TEXT PRIMARY KEY,
    inspection_id TEXT,                -- absent for imports
    unit          TEXT    NOT NULL,
    position      TEXT,
    kind          TEXT    NOT NULL,
    media         TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    reference     TEXT,
    name          TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    modified_at   INTEGER,
    arrived_at    INTEGER NOT NULL,
    label         TEXT,                -- the one that an import brought
    votes         TEXT    NOT NULL,
    extra         TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX items_media ON items (media);
CREATE INDEX items_name ON items (source, name);
CREATE INDEX items_inspection ON items (inspection_id) WHERE inspection_id IS NOT NULL;

CREATE TABLE inspections (
    inspection_id TEXT PRIMARY KEY,
    unit          TEXT    NOT NULL,
    opened_at     INTEGER NOT NULL,
    items         INTEGER NOT NULL,
    decision      TEXT,                -- absent while items are missing
    decided_by    TEXT,
    reason        TEXT,
    decided_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX inspections_open ON inspections (unit) WHERE decision IS NULL;

CREATE TABLE predictions (
    item_id TEXT PRIMARY KEY,
    payload TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The decision in force.
CREATE TABLE decisions (
    item_id       TEXT PRIMARY KEY,
    inspection_id TEXT    NOT NULL,
    decision      TEXT    NOT NULL,
    decided_by    TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    model         TEXT,
    policy        TEXT,
    decided_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What waits for a person: damaged items last, the oldest inspection first, its items together.
CREATE TABLE queue (
    item_id       TEXT PRIMARY KEY,
    priority      INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    inspection_id TEXT    NOT NULL,
    code          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_order ON queue (priority, opened_at, inspection_id, item_id);

CREATE TABLE verdicts (
    event_id    TEXT PRIMARY KEY,
    seq         INTEGER NOT NULL,
    item_id     TEXT    NOT NULL,
    reviewer    TEXT    NOT NULL,
    class       TEXT,
    status      TEXT    NOT NULL,
    mode        TEXT    NOT NULL,
    class_before TEXT,
    seconds     REAL    NOT NULL,
    answered_at INTEGER NOT NULL,
    undone      INTEGER NOT NULL,
    payload     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX verdicts_item ON verdicts (item_id, seq);
CREATE INDEX verdicts_reviewer ON verdicts (reviewer, seq) WHERE undone = 0;

CREATE TABLE labels (
    item_id    TEXT PRIMARY KEY,
    class      TEXT,
    status     TEXT    NOT NULL,
    settled_at INTEGER NOT NULL,
    payload    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE expired (
    media      TEXT PRIMARY KEY,
    rule       TEXT    NOT NULL,
    expired_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counting a million rows for every repaint would cost more than keeping the count.
CREATE TABLE tallies (
    what TEXT PRIMARY KEY,
    n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The level, the policy and the live model in force.
CREATE TABLE settings (
    name    TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
