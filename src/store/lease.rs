//! Who has which item on the screen, so that two people never answer the same one by accident.
//! Leases pass by themselves and are no part of the log.

use super::{Queued, Store, StoreError, begin};
use crate::domain::ItemId;
use rusqlite::{Connection, OptionalExtension, params};

impl Store {
    /// Reserves the first item of the queue that nobody else has, for `secs` seconds. Asking
    /// again renews the reservation of the same item.
    pub fn lease_next(&mut self, reviewer: &str, secs: f64) -> Result<Option<Queued>, StoreError> {
        const PAGE: usize = 64;
        let now = (self.clock)();
        let tx = begin(&mut self.conn)?;
        tx.execute("DELETE FROM leases WHERE until <= ?1", [now.as_micros()])?;
        let view = super::View { conn: &tx };
        let mut after = None;
        let found = loop {
            let page = view.queue(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { break None };
            after = Some(last.after.clone());
            let mut free = None;
            for row in page {
                if holder(&tx, row.item.id)?.is_none_or(|other| other == reviewer) {
                    free = Some(row);
                    break;
                }
            }
            if free.is_some() {
                break free;
            }
        };
        if let Some(row) = &found {
            take(&tx, row.item.id, reviewer, now.plus_secs(secs).as_micros())?;
        }
        tx.commit()?;
        Ok(found)
    }

    /// Reserves one given item; the name of the person who has it when that is somebody else.
    pub fn lease(
        &mut self,
        item: ItemId,
        reviewer: &str,
        secs: f64,
    ) -> Result<Result<(), String>, StoreError> {
        let now = (self.clock)();
        let tx = begin(&mut self.conn)?;
        tx.execute("DELETE FROM leases WHERE until <= ?1", [now.as_micros()])?;
        if let Some(other) = holder(&tx, item)?.filter(|other| other != reviewer) {
            return Ok(Err(other));
        }
        take(&tx, item, reviewer, now.plus_secs(secs).as_micros())?;
        tx.commit()?;
        Ok(Ok(()))
    }

    /// Gives an item back to the queue (answered, skipped, or the window closes).
    pub fn release_lease(&mut self, item: ItemId, reviewer: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "DELETE FROM leases WHERE item_id = ?1 AND reviewer = ?2",
            params![item.to_string(), reviewer],
        )?;
        Ok(())
    }
}

fn holder(conn: &Connection, item: ItemId) -> Result<Option<String>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT reviewer FROM leases WHERE item_id = ?1")?
        .query_row([item.to_string()], |row| row.get(0))
        .optional()?)
}

fn take(conn: &Connection, item: ItemId, reviewer: &str, until: i64) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3)")?.execute(params![
        item.to_string(),
        reviewer,
        until
    ])?;
    Ok(())
}
