-- Why: a model goes from candidate over shadow and canary to live, and may be taken back. Which model
-- stands where, what models in shadow have said, and what people were asked for the comparison, must
-- be found without reading the log.

CREATE TABLE models (
    hash    TEXT PRIMARY KEY,
    name    TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    since   INTEGER NOT NULL,          -- in this state
    reason  TEXT    NOT NULL,
    live_at INTEGER,                   -- when it last became live
    canary  TEXT                       -- its share and its rules, where it is a canary
) STRICT, WITHOUT ROWID;
-- There is never a second live model, whatever is written.
CREATE UNIQUE INDEX models_live ON models (state) WHERE state = 'live';

-- What a model says that did not decide the item.
CREATE TABLE shadow_predictions (
    item_id TEXT NOT NULL,
    model   TEXT NOT NULL,             -- hash of the package
    payload TEXT NOT NULL,
    PRIMARY KEY (item_id, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX shadow_predictions_model ON shadow_predictions (model, item_id);

-- Items that a model in shadow had no time for.
CREATE TABLE shadow_drops (
    model TEXT PRIMARY KEY,
    items INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Decided items that a person was asked about because two models see them alike, or not.
CREATE TABLE comparisons (
    item_id     TEXT NOT NULL,
    model       TEXT NOT NULL,         -- that did not decide
    agree       INTEGER NOT NULL,
    probability REAL NOT NULL,
    PRIMARY KEY (item_id, model)
) STRICT, WITHOUT ROWID;
