-- Why: a promise is kept by what people have verified: inspections that came to them anyway, and
-- automatic ones that were drawn for a check, each with the probability of that. Estimates and
-- alarms must not read every prediction of a line to find these.

-- Items of the live model that a person looks at: asked, or decided and drawn for a check.
CREATE TABLE checks (
    item_id       TEXT PRIMARY KEY,
    inspection_id TEXT    NOT NULL,
    seq           INTEGER NOT NULL,     -- of the station's decision
    model         TEXT    NOT NULL,     -- hash of the package
    outcome       TEXT    NOT NULL,     -- what the station decided
    band          TEXT,                 -- absent where nothing was drawn
    probability   REAL    NOT NULL,     -- of being looked at
    least         REAL    NOT NULL,     -- the smallest that the rules of its time could give
    decided_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX checks_model ON checks (model, decided_at, seq);

-- Inspections that a model decided alone, whatever people said of them later.
CREATE TABLE automatic (
    inspection_id TEXT PRIMARY KEY,
    model         TEXT    NOT NULL,
    outcome       TEXT    NOT NULL,
    decided_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX automatic_model ON automatic (model, outcome, decided_at);

-- Alarms that stand.
CREATE TABLE alarms (
    kind      TEXT PRIMARY KEY,
    raised_at INTEGER NOT NULL,
    payload   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether a unit was seen before: only its first inspection is independent of the others.
CREATE INDEX inspections_unit ON inspections (unit, opened_at);
