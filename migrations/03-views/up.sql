-- Why: other programs read the line through these views; their columns stay when tables change.
CREATE VIEW v_items AS
SELECT i.item_id, i.unit, i.kind, i.media, i.source,
       strftime('%Y-%m-%dT%H:%M:%fZ', i.arrived_at / 1e6, 'unixepoch') AS arrived_at,
       CASE WHEN i.inspection_id IS NULL THEN 'imported'
            WHEN d.code = 'undecodable' AND d.decision = 'review' THEN 'quarantined'
            WHEN d.decision = 'review' THEN 'waiting'
            ELSE 'decided' END AS status
FROM items i LEFT JOIN decisions d ON d.item_id = i.item_id;

CREATE VIEW v_decisions AS
SELECT item_id, inspection_id, decision, decided_by, reason, model, policy,
       strftime('%Y-%m-%dT%H:%M:%fZ', decided_at / 1e6, 'unixepoch') AS decided_at
FROM decisions;

CREATE VIEW v_inspections AS
SELECT inspection_id, unit, decision, decided_by, items,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_at / 1e6, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', decided_at / 1e6, 'unixepoch') AS decided_at
FROM inspections;

CREATE VIEW v_verdicts AS
SELECT item_id, reviewer, class, status, mode, class_before, seconds,
       strftime('%Y-%m-%dT%H:%M:%fZ', answered_at / 1e6, 'unixepoch') AS answered_at
FROM verdicts WHERE undone = 0;

CREATE VIEW v_labels AS
SELECT item_id, class, status,
       strftime('%Y-%m-%dT%H:%M:%fZ', settled_at / 1e6, 'unixepoch') AS settled_at
FROM labels;

CREATE VIEW v_events AS
SELECT seq, id, strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e6, 'unixepoch') AS at, actor, kind,
       json_extract(payload, '$.item') AS item_id, hex(hash) AS hash
FROM events;
