//! Frozen lists of labels, the audit set, and what was done with it: read from the log itself, since
//! there are few of them. Lists are blobs, so that copies carry them and `verify` reads every byte.

use super::query::{ITEM, item, json, parsed};
use super::{LabelRow, Store, StoreError, Tx, View, log};
use crate::domain::{
    AuditCriteria, AuditLock, AuditOutcome, AuditUse, DatasetRow, Event, EventId, Frozen, ItemId, MediaHash,
    Timestamp, Vote, list_text, parse_list,
};
use rusqlite::OptionalExtension;
use std::collections::BTreeMap;

/// The lists that the log names.
pub(super) const LISTS: &str =
    "SELECT json_extract(payload, '$.hash') FROM events WHERE kind = 'DatasetFrozen'";

/// An event with what the log says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted<T> {
    pub event: EventId,
    pub at: Timestamp,
    pub actor: String,
    pub what: T,
}

/// The units that no training may see.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditSet {
    pub rule: AuditLock,
    pub locked_at: Timestamp,
    key: [u8; 32],
}

impl AuditSet {
    #[must_use]
    pub fn holds(&self, unit: &str) -> bool {
        self.rule.holds(&self.key, unit)
    }
}

impl Store {
    /// Keeps a list among the blobs and gives its hash; the event that names it is the caller's.
    pub fn keep_list(&self, rows: &[DatasetRow]) -> Result<MediaHash, StoreError> {
        let text = list_text(rows)
            .map_err(|error| StoreError::Refused(format!("a list cannot be written: {error}")))?;
        self.blobs.put(text.as_bytes())
    }

    /// The list of this hash.
    pub fn list(&self, hash: &MediaHash) -> Result<Vec<DatasetRow>, StoreError> {
        let bytes = self.blobs.read(hash)?;
        let damaged = |why: String| StoreError::Damaged(format!("the list {hash}: {why}"));
        if MediaHash::of(&bytes) != *hash {
            return Err(damaged("its bytes are not those that were frozen".into()));
        }
        let text = str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
        parse_list(text).map_err(|error| damaged(error.to_string()))
    }

    /// `None` where nothing is locked.
    pub fn audit_set(&self) -> Result<Option<AuditSet>, StoreError> {
        let locked = self.view().audit_lock()?;
        Ok(locked.map(|noted| {
            let text = format!("{} {}", self.station, noted.what.seed);
            let key = blake3::derive_key("secondlook 2026 audit set", text.as_bytes());
            AuditSet { rule: noted.what, locked_at: noted.at, key }
        }))
    }
}

impl View<'_> {
    /// All frozen lists, oldest first.
    pub fn datasets(&self) -> Result<Vec<Noted<Frozen>>, StoreError> {
        self.noted("DatasetFrozen", |event| match event {
            Event::DatasetFrozen(frozen) => Some(frozen),
            _ => None,
        })
    }

    pub fn dataset(&self, name: &str) -> Result<Option<Noted<Frozen>>, StoreError> {
        Ok(self.datasets()?.into_iter().find(|noted| noted.what.name == name))
    }

    /// The first list with this content.
    pub fn dataset_with(&self, hash: &str) -> Result<Option<Noted<Frozen>>, StoreError> {
        Ok(self.datasets()?.into_iter().find(|noted| noted.what.hash.as_str() == hash))
    }

    /// An item of a list with its label there, and what else is known of it.
    pub fn listed(&self, row: &DatasetRow) -> Result<Option<LabelRow>, StoreError> {
        let sql = format!("SELECT {ITEM}, i.votes, i.extra FROM items i WHERE i.item_id = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([row.item.to_string()], |found| {
            Ok(LabelRow {
                item: item(found)?,
                label: row.label.clone(),
                votes: json(found, 9)?,
                extra: json(found, 10)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Items that several people have answered, and whether their first answers differ.
    pub fn agreement(&self) -> Result<BTreeMap<ItemId, bool>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "WITH newest AS (
                 SELECT item_id,
                        coalesce(class_before, class, json_extract(payload, '$.transcript'), status) AS said,
                        row_number() OVER (PARTITION BY item_id, reviewer ORDER BY seq DESC) AS number
                 FROM verdicts WHERE undone = 0)
             SELECT item_id, count(DISTINCT said) > 1 FROM newest WHERE number = 1
             GROUP BY item_id HAVING count(*) > 1",
        )?;
        let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, row.get(1)?)))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// What several people wrote of a sound, each for themselves: of everybody the newest transcript, the one
    /// before anything was shown where there is one.
    pub fn transcripts(&self) -> Result<BTreeMap<ItemId, Vec<Vote>>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "WITH newest AS (
                 SELECT item_id, reviewer, coalesce(class_before, json_extract(payload, '$.transcript')) AS said,
                        row_number() OVER (PARTITION BY item_id, reviewer ORDER BY seq DESC) AS number
                 FROM verdicts WHERE undone = 0 AND json_extract(payload, '$.transcript') IS NOT NULL)
             SELECT item_id, reviewer, said FROM newest WHERE number = 1 ORDER BY item_id, reviewer",
        )?;
        let rows = statement
            .query_map([], |row| Ok((parsed(row, 0)?, Vote { rater: row.get(1)?, label: row.get(2)? })))?;
        let mut found: BTreeMap<ItemId, Vec<Vote>> = BTreeMap::new();
        for row in rows {
            let (item, vote) = row?;
            found.entry(item).or_default().push(vote);
        }
        found.retain(|_, votes| votes.len() > 1);
        Ok(found)
    }

    fn audit_lock(&self) -> Result<Option<Noted<AuditLock>>, StoreError> {
        let locks = self.noted("AuditSetLocked", |event| match event {
            Event::AuditSetLocked(rule) => Some(rule),
            _ => None,
        })?;
        Ok(locks.into_iter().next())
    }

    /// Every look at the audit set, oldest first.
    pub fn audit_uses(&self) -> Result<Vec<Noted<AuditUse>>, StoreError> {
        self.noted("AuditSetUsed", |event| match event {
            Event::AuditSetUsed(used) => Some(used),
            _ => None,
        })
    }

    /// Criteria that were set down, oldest first; an audit that was broken off left nothing else.
    pub fn audit_criteria(&self) -> Result<Vec<Noted<AuditCriteria>>, StoreError> {
        self.noted("AuditCriteriaSet", |event| match event {
            Event::AuditCriteriaSet(criteria) => Some(criteria),
            _ => None,
        })
    }

    /// Finished final audits, oldest first.
    pub fn final_audits(&self) -> Result<Vec<Noted<AuditOutcome>>, StoreError> {
        self.noted("FinalAudit", |event| match event {
            Event::FinalAudit(outcome) => Some(outcome),
            _ => None,
        })
    }

    /// Who signed which audit, oldest first.
    pub fn audit_signatures(&self) -> Result<Vec<Noted<(EventId, String)>>, StoreError> {
        self.noted("AuditSigned", |event| match event {
            Event::AuditSigned { audit, signed_by } => Some((audit, signed_by)),
            _ => None,
        })
    }

    fn noted<T>(&self, kind: &str, take: impl Fn(Event) -> Option<T>) -> Result<Vec<Noted<T>>, StoreError> {
        let mut found = Vec::new();
        log::for_each_of(self.conn, kind, |record| {
            let event = record
                .id
                .parse()
                .map_err(|_| StoreError::Damaged(format!("event {} has no id", record.seq)))?;
            let at = Timestamp::from_micros(record.at);
            if let Some(what) = take(record.event()?) {
                found.push(Noted { event, at, actor: record.actor, what });
            }
            Ok(())
        })?;
        Ok(found)
    }
}

impl Tx<'_> {
    /// Notes a list that is among the blobs. A name stands for one list for ever.
    pub fn freeze(&self, frozen: &Frozen) -> Result<(), StoreError> {
        if self.dataset(&frozen.name)?.is_some() {
            return Err(StoreError::Refused(format!("there is a data set \"{}\" already", frozen.name)));
        }
        self.append(&Event::DatasetFrozen(frozen.clone())).map(drop)
    }

    /// Locks the audit set. It is locked once: another draw would hand units that were locked away to
    /// training.
    pub fn lock_audit(&self, rule: AuditLock) -> Result<(), StoreError> {
        if self.audit_lock()?.is_some() {
            return Err(StoreError::Refused("this line's audit set is locked already".into()));
        }
        self.append(&Event::AuditSetLocked(rule)).map(drop)
    }
}
