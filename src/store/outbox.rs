//! `out/decisions.jsonl`: every committed decision, in order, exactly once.
//!
//! The file is its own cursor: each line carries the sequence number of its event, so after a
//! crash writing goes on behind the last whole line. The cursor in the database only matters
//! when somebody has rotated the file away.

use super::log::{Record, for_each, hex};
use super::{Store, StoreError, lock_file};
use crate::domain::{Decision, Event, InspectionId, ItemId};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};

/// One line of the outbox. `item` and `media` are absent on the line of a whole inspection of
/// several items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxLine {
    pub seq: i64,
    pub hash: String,
    pub inspection: InspectionId,
    pub unit: String,
    pub item: Option<ItemId>,
    pub media: Option<String>,
    pub decision: String,
    pub decided_by: String,
    pub reason: String,
    pub at: String,
}

/// Longer than any line can be: names are limited by the file system.
const LINE_BYTES_MAX: u64 = 64 * 1024;

impl Store {
    /// Gives out what is committed and not given out yet; called after commits by whoever
    /// commits. Returns the number of lines written.
    pub fn flush_outbox(&mut self) -> Result<u64, StoreError> {
        let folder = self.folder.join("out");
        fs::create_dir_all(&folder).map_err(StoreError::io("cannot create", &folder))?;
        let lock_path = folder.join(".lock");
        let lock = lock_file(&lock_path)?;
        lock.lock().map_err(StoreError::io("cannot lock", &lock_path))?;

        let path = folder.join("decisions.jsonl");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("cannot open", &path))?;
        let in_file = drop_torn_line(&mut file).map_err(StoreError::io("cannot read", &path))?;
        let cursor = self.outbox_cursor()?;
        let from = in_file.max(cursor) + 1;

        let mut text = Vec::new();
        let mut written = 0;
        let mut last = from - 1;
        self.for_each_decision(from, |line| {
            serde_json::to_writer(&mut text, &line)
                .map_err(|error| StoreError::Refused(format!("outbox: {error}")))?;
            text.push(b'\n');
            written += 1;
            last = line.seq;
            Ok(())
        })?;
        let is_durable = self.durability == super::DURABLE;
        if written > 0 {
            file.seek(SeekFrom::End(0))
                .and_then(|_| file.write_all(&text))
                .and_then(|()| if is_durable { file.sync_data() } else { Ok(()) })
                .map_err(StoreError::io("cannot write", &path))?;
        }
        if last > cursor {
            self.conn.execute("UPDATE outbox SET seq = ?1", [last])?;
        }
        Ok(written)
    }

    pub(super) fn outbox_cursor(&self) -> Result<i64, StoreError> {
        Ok(self.conn.query_row("SELECT max(seq) FROM outbox", [], |row| row.get(0))?)
    }

    /// Makes the cursor agree with the outbox file beside it; for copies, whose file was copied
    /// before the database. Where that file was rotated away, `cursor` is the one of that moment.
    pub(super) fn reset_outbox_cursor(&mut self, cursor: i64) -> Result<(), StoreError> {
        let path = self.folder.join("out/decisions.jsonl");
        let in_file = match File::options().read(true).write(true).open(&path) {
            Ok(mut file) => drop_torn_line(&mut file).map_err(StoreError::io("cannot read", &path))?,
            Err(_) => 0,
        };
        self.conn.execute("UPDATE outbox SET seq = ?1", [in_file.max(cursor)])?;
        Ok(())
    }

    fn for_each_decision(
        &self,
        from: i64,
        mut visit: impl FnMut(OutboxLine) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for_each(&self.conn, from, |record| {
            let line = match record.kind.as_str() {
                "ItemDecided" | "InspectionDecided" => self.outbox_line(&record)?,
                _ => None,
            };
            line.map_or(Ok(()), &mut visit)
        })
    }

    fn outbox_line(&self, record: &Record) -> Result<Option<OutboxLine>, StoreError> {
        let line = |inspection, unit, item, media, decision: &Decision| OutboxLine {
            seq: record.seq,
            hash: hex(&record.hash),
            inspection,
            unit,
            item,
            media,
            decision: decision.outcome.as_str().to_owned(),
            decided_by: decision.decided_by.as_str().to_owned(),
            reason: decision.reason.to_string(),
            at: crate::domain::Timestamp::from_micros(record.at).to_string(),
        };
        Ok(match record.event()? {
            Event::ItemDecided { item, inspection, decision } => {
                let found: Option<(String, String)> = self
                    .conn
                    .prepare_cached("SELECT unit, media FROM items WHERE item_id = ?1")?
                    .query_row(params![item.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let (unit, media) = found.unwrap_or_default();
                Some(line(inspection, unit, Some(item), Some(media), &decision))
            }
            // The decision of an inspection of one item is that of its item.
            Event::InspectionDecided { inspection, unit, items, decision } if items > 1 => {
                Some(line(inspection, unit, None, None, &decision))
            }
            _ => None,
        })
    }
}

/// Cuts a half-written last line off and returns the sequence number of the last whole one (0
/// for an empty file).
fn drop_torn_line(file: &mut File) -> std::io::Result<i64> {
    let mut length = file.metadata()?.len();
    loop {
        let start = length.saturating_sub(LINE_BYTES_MAX);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(length - start).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let line_start =
            tail[..whole.saturating_sub(1)].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        if whole < tail.len() {
            file.set_len(start + whole as u64)?;
        }
        if whole == 0 {
            if start == 0 {
                return Ok(0);
            }
            // A power loss can leave more than one look's worth of garbage.
            length = start;
            continue;
        }
        if let Ok(line) = serde_json::from_slice::<OutboxLine>(&tail[line_start..whole]) {
            return Ok(line.seq);
        }
        // Garbage from a power loss: drop that line too and look at the one before.
        length = start + line_start as u64;
        file.set_len(length)?;
    }
}
