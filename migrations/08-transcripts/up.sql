-- Why: a line that writes down what is said has no classes, so that its labels and its answers said
-- nothing to other programs. New columns come last: what reads by place stays right.
DROP VIEW v_verdicts;
CREATE VIEW v_verdicts AS
SELECT item_id, reviewer, class, status, mode, class_before, seconds,
       strftime('%Y-%m-%dT%H:%M:%fZ', answered_at / 1e6, 'unixepoch') AS answered_at,
       json_extract(payload, '$.transcript') AS transcript
FROM verdicts WHERE undone = 0;

DROP VIEW v_labels;
CREATE VIEW v_labels AS
SELECT item_id, class, status,
       strftime('%Y-%m-%dT%H:%M:%fZ', settled_at / 1e6, 'unixepoch') AS settled_at,
       json_extract(payload, '$.transcript') AS transcript
FROM labels;
