-- Why: taking an answer back returns an item to what the station had decided before anybody
-- answered, whole: outcome, who, why, policy and model. This is the number of that event.
ALTER TABLE decisions ADD COLUMN before_answers INTEGER;
