//! Erasing media that the plan no longer keeps. The log keeps the hash and the rule.

use super::{Store, StoreError, Tx};
use crate::domain::{Event, MediaHash, RetentionRule};
use rusqlite::params;

/// One transaction erases at most this many, so that the station is never held up for long.
const BATCH: i64 = 256;

impl Store {
    /// Applies the rules; returns how many blobs expired. The event comes first: a crash in
    /// between leaves a blob that the next call erases, never a missing blob without its event.
    pub fn apply_retention(&mut self, rules: &[RetentionRule], actor: &str) -> Result<u64, StoreError> {
        let mut erased = 0;
        for rule in rules {
            loop {
                // Looked for inside the transaction: an item that arrives in between with the
                // same bytes keeps them.
                let count = self.transact::<_, StoreError>(actor, |tx| {
                    let due = due(tx, rule)?;
                    for media in &due {
                        tx.append(&Event::BlobExpired { media: media.clone(), rule: rule.name.clone() })?;
                    }
                    Ok(due.len())
                })?;
                if count == 0 {
                    break;
                }
                erased += count as u64;
            }
        }
        let now = self.now();
        for hex in self.column("SELECT media FROM expired")? {
            self.blobs.erase(&MediaHash::from_hex(&hex), now)?;
        }
        Ok(erased)
    }
}

/// Media of which every item is old enough and decided as the rule says. What still waits for
/// a person is never erased.
fn due(tx: &Tx<'_>, rule: &RetentionRule) -> Result<Vec<MediaHash>, StoreError> {
    let before = tx.now().plus_secs(-rule.days * 86_400.0).as_micros();
    let mut statement = tx.view.conn.prepare_cached(
        "SELECT DISTINCT i.media FROM items i
         WHERE i.arrived_at <= ?1 AND i.inspection_id IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM expired e WHERE e.media = i.media)
           AND NOT EXISTS (
             SELECT 1 FROM items o LEFT JOIN decisions d ON d.item_id = o.item_id
             WHERE o.media = i.media AND (
               o.arrived_at > ?1
               OR d.decision IS NULL OR d.decision = 'review'
               OR (?2 IS NOT NULL AND d.decision <> ?2)
               OR (NOT ?3 AND EXISTS (SELECT 1 FROM labels l WHERE l.item_id = o.item_id))))
           AND NOT EXISTS (SELECT 1 FROM items r WHERE r.reference = i.media)
         ORDER BY i.media LIMIT ?4",
    )?;
    let outcome = rule.decision.map(crate::domain::Outcome::as_str);
    let rows = statement
        .query_map(params![before, outcome, rule.labelled_too, BATCH], |row| row.get::<_, String>(0))?;
    rows.map(|row| Ok(MediaHash::from_hex(&row?))).collect()
}
