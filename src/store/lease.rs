//! Who has which item on the screen, so that two people never answer the same one by accident.
//! Leases pass by themselves and are no part of the log: no answer waits for the disk because of
//! one.

use super::{DURABLE, QueueFilter, Queued, Store, StoreError, begin};
use crate::domain::{ItemId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

impl Store {
    /// Reserves the first item of the queue that nobody else has, for `secs` seconds. Asking
    /// again renews the reservation of the same item.
    pub fn lease_next(&mut self, reviewer: &str, secs: f64) -> Result<Option<Queued>, StoreError> {
        self.lease_first(&QueueFilter::default(), &[], reviewer, secs)
    }

    /// As [`Store::lease_next`], of what a filter wants, without the items that are put off.
    pub fn lease_first(
        &mut self,
        filter: &QueueFilter,
        put_off: &[ItemId],
        reviewer: &str,
        secs: f64,
    ) -> Result<Option<Queued>, StoreError> {
        const PAGE: usize = 64;
        self.passing(|conn, now| {
            let view = super::View { conn };
            let (mut after, mut own) = (None, None);
            loop {
                let page = view.places(filter, after.as_ref(), PAGE)?;
                let Some(last) = page.last() else {
                    // Nobody else is there for it.
                    let Some(item) = own else { return Ok(None) };
                    take(conn, item, reviewer, now.plus_secs(secs).as_micros())?;
                    return view.queued(item);
                };
                after = Some(last.clone());
                for place in page {
                    let item: ItemId = place.item.parse().map_err(|_| {
                        StoreError::Damaged(format!("\"{}\" in the queue is not an item", place.item))
                    })?;
                    let is_free = holder(conn, item)?.is_none_or(|other| other == reviewer);
                    if is_free && !put_off.contains(&item) {
                        // A second look is for somebody else, or comes after everything else.
                        if view.has_looked(item, reviewer)? {
                            own = own.or(Some(item));
                            continue;
                        }
                        take(conn, item, reviewer, now.plus_secs(secs).as_micros())?;
                        return view.queued(item);
                    }
                }
            }
        })
    }

    /// Reserves one given item; the name of the person who has it when that is somebody else.
    pub fn lease(
        &mut self,
        item: ItemId,
        reviewer: &str,
        secs: f64,
    ) -> Result<Result<(), String>, StoreError> {
        self.passing(|conn, now| {
            if let Some(other) = holder(conn, item)?.filter(|other| other != reviewer) {
                return Ok(Err(other));
            }
            take(conn, item, reviewer, now.plus_secs(secs).as_micros())?;
            Ok(Ok(()))
        })
    }

    /// Gives an item back to the queue (answered, skipped, or the window closes).
    pub fn release_lease(&mut self, item: ItemId, reviewer: &str) -> Result<(), StoreError> {
        self.passing(|conn, _| {
            conn.execute(
                "DELETE FROM leases WHERE item_id = ?1 AND reviewer = ?2",
                params![item.to_string(), reviewer],
            )?;
            Ok(())
        })
    }

    /// A transaction on leases alone, after those that have passed are gone. What it writes may be
    /// lost with the power, so it does not wait for the disk.
    fn passing<T>(
        &mut self,
        work: impl FnOnce(&Connection, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let now = (self.clock)();
        let durability = self.durability;
        let passing = if durability == DURABLE { "NORMAL" } else { durability };
        self.conn.pragma_update(None, "synchronous", passing)?;
        let done = self.passing_transaction(now, work);
        self.conn.pragma_update(None, "synchronous", durability)?;
        done
    }

    fn passing_transaction<T>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&Connection, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let tx = begin(&mut self.conn)?;
        tx.execute("DELETE FROM leases WHERE until <= ?1", [now.as_micros()])?;
        let done = work(&tx, now)?;
        tx.commit()?;
        Ok(done)
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
