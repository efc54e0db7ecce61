-- Why: reviewers filter a queue of a million by what is asked and of what, and look at the history of
-- single items. A filter must not read every prediction, nor a history the whole log.
ALTER TABLE queue ADD COLUMN unit TEXT NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN model TEXT;
ALTER TABLE queue ADD COLUMN suggestion TEXT;      -- the most probable class, and how probable
ALTER TABLE queue ADD COLUMN confidence REAL;

UPDATE queue SET
    unit = (SELECT i.unit FROM items i WHERE i.item_id = queue.item_id),
    name = (SELECT i.name FROM items i WHERE i.item_id = queue.item_id),
    model = (SELECT json_extract(p.payload, '$.model.name') FROM predictions p WHERE p.item_id = queue.item_id),
    suggestion = (SELECT c.key FROM predictions p, json_each(p.payload, '$.probabilities') c
                  WHERE p.item_id = queue.item_id ORDER BY c.value DESC, c.key LIMIT 1),
    confidence = (SELECT max(c.value) FROM predictions p, json_each(p.payload, '$.probabilities') c
                  WHERE p.item_id = queue.item_id);

CREATE INDEX queue_suggestion ON queue (suggestion, priority, opened_at, inspection_id, item_id);
CREATE INDEX queue_code ON queue (code, priority, opened_at, inspection_id, item_id);
CREATE INDEX events_item ON events (json_extract(payload, '$.item'))
    WHERE json_extract(payload, '$.item') IS NOT NULL;
CREATE INDEX leases_reviewer ON leases (reviewer);
CREATE INDEX labels_settled ON labels (settled_at, item_id);
