//! Proof that the memory is whole: the chain, the blobs, the projections and the file itself;
//! and making the projections again from the log.

use super::dataset::LISTS;
use super::log::{self, ChainFault, Head};
use super::project::{TABLES, project};
use super::{BUSY_TIMEOUT, BlobState, DATABASE, Store, StoreError, begin, migrate};
use crate::domain::{MediaHash, Timestamp};
use rusqlite::Connection;
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlobsReport {
    pub present: u64,
    /// Erased by a retention rule, as the log says.
    pub expired: u64,
    pub missing: Vec<MediaHash>,
    pub damaged: Vec<MediaHash>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub events: i64,
    pub blobs: BlobsReport,
    pub ok: bool,
    /// The first fault of the chain.
    pub first_bad: Option<ChainFault>,
    /// Everything else that is wrong, in words.
    pub faults: Vec<String>,
    pub head: Head,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    pub rows: u64,
    /// Rows that the rebuild added, removed or altered.
    pub changed: u64,
}

impl Store {
    /// Reads everything: every event, and every byte of every blob.
    pub fn verify(&mut self, anchor: Option<Head>) -> Result<VerifyReport, StoreError> {
        let mut faults = Vec::new();
        let integrity: String = self.conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if integrity != "ok" {
            faults.push(format!("database: {integrity}"));
        }
        let (head, first_bad) = log::check_chain(&self.conn, anchor)?;
        let blobs = self.check_blobs()?;
        faults.extend(blobs.missing.iter().map(|media| format!("blob {media} is missing")));
        faults.extend(blobs.damaged.iter().map(|media| format!("blob {media} is damaged")));
        if first_bad.is_none() {
            match self.replay_apart() {
                Ok(0) => {}
                Ok(changed) => faults
                    .push(format!("{changed} rows differ from what the log says. Hint: secondlook rebuild")),
                Err(error) => faults.push(error.to_string()),
            }
        }
        Ok(VerifyReport {
            events: head.count,
            ok: faults.is_empty() && first_bad.is_none(),
            blobs,
            first_bad,
            faults,
            head,
        })
    }

    /// Folds the log into a database of its own that vanishes afterwards, and counts the rows
    /// that differ. Takes no write lock: a station beside it is not held up, however long the
    /// log is.
    fn replay_apart(&self) -> Result<u64, StoreError> {
        let mut scratch = Connection::open("")?;
        scratch.busy_timeout(BUSY_TIMEOUT)?;
        migrate(&mut scratch, &self.folder)?;
        let path = self.folder.join(DATABASE);
        scratch.execute("ATTACH ?1 AS line", [path.to_string_lossy()])?;
        // One transaction, so that the log and the tables are seen at the same moment.
        let tx = scratch.transaction()?;
        log::for_each_in(&tx, "line.events", i64::MIN, |record| project(&tx, &record, &record.event()?))?;
        TABLES.iter().try_fold(0, |sum, table| {
            Ok(sum + differences(&tx, &format!("main.{table}"), &format!("line.{table}"))?)
        })
    }

    /// Makes every projection again from the log.
    pub fn rebuild(&mut self) -> Result<RebuildReport, StoreError> {
        let tx = begin(&mut self.conn)?;
        for table in TABLES {
            tx.execute_batch(&format!(
                "CREATE TEMP TABLE old_{table} AS SELECT * FROM {table}; DELETE FROM {table};"
            ))?;
        }
        log::for_each(&tx, i64::MIN, |record| project(&tx, &record, &record.event()?))?;
        let mut report = RebuildReport { rows: 0, changed: 0 };
        for table in TABLES {
            report.rows += count(&tx, &format!("SELECT count(*) FROM {table}"))?;
            report.changed += differences(&tx, table, &format!("temp.old_{table}"))?;
            tx.execute_batch(&format!("DROP TABLE temp.old_{table}"))?;
        }
        tx.commit()?;
        Ok(report)
    }

    fn check_blobs(&self) -> Result<BlobsReport, StoreError> {
        let mut report = BlobsReport { present: 0, expired: 0, missing: vec![], damaged: vec![] };
        let expired: BTreeSet<String> = self.column("SELECT media FROM expired")?;
        for hex in self.named_blobs()? {
            let media = MediaHash::from_hex(&hex);
            match self.blobs.state(&media) {
                BlobState::Present => report.present += 1,
                BlobState::Damaged => report.damaged.push(media),
                BlobState::Missing if expired.contains(&hex) => report.expired += 1,
                BlobState::Missing => report.missing.push(media),
            }
        }
        Ok(report)
    }

    /// Every blob that the line is about: media, references, and frozen lists of labels.
    pub(super) fn named_blobs(&self) -> Result<BTreeSet<String>, StoreError> {
        self.column(&format!(
            "SELECT media FROM items UNION SELECT reference FROM items WHERE reference IS NOT NULL
             UNION {LISTS}"
        ))
    }

    pub(super) fn column(&self, sql: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// What the line's clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

fn count(conn: &Connection, sql: &str) -> Result<u64, StoreError> {
    let n: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(n).unwrap_or(0))
}

/// Rows on one side only. A changed row is on both sides, so the larger side counts it once.
fn differences(conn: &Connection, one: &str, other: &str) -> Result<u64, StoreError> {
    let one_side = |a: &str, b: &str| {
        count(conn, &format!("SELECT count(*) FROM (SELECT * FROM {a} EXCEPT SELECT * FROM {b})"))
    };
    Ok(one_side(one, other)?.max(one_side(other, one)?))
}
