//! The event log: appending, reading, and checking the hash chain.

use super::StoreError;
use crate::domain::{Event, EventId, PAYLOAD_VERSION, StationId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

pub(super) type Hash = [u8; 32];
const GENESIS: Hash = [0; 32];
/// Stands for a stored hash of the wrong length; no BLAKE3 is known that looks like it.
const NO_HASH: Hash = [0xff; 32];
/// Stands for a stored text that is none.
const NOT_UTF8: &str = "\u{fffd} not UTF-8";
/// How far from its place an event is recognised again when the log was tampered with. Costs
/// under a second where something is wrong, and nothing where all is well.
const HOME_SEARCH_EVENTS: i64 = 100_000;

/// The end of a chain: how many events, and the hash of the last. Noted elsewhere it proves
/// later that nothing was cut off. Written as `COUNT:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub count: i64,
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, hex(&self.hash))
    }
}

impl FromStr for Head {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is not COUNT:HASH");
        let (count, hash) = text.split_once(':').ok_or_else(bad)?;
        let hash = blake3::Hash::from_hex(hash).map_err(|_| bad())?;
        Ok(Self { count: count.parse().map_err(|_| bad())?, hash: *hash.as_bytes() })
    }
}

impl Serialize for Head {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(super) fn hex(hash: &Hash) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// One row of the log, as stored.
pub(super) struct Record {
    pub seq: i64,
    pub id: String,
    pub at: i64,
    pub actor: String,
    pub station: String,
    pub kind: String,
    pub version: u32,
    pub payload: String,
    pub prev: Hash,
    pub hash: Hash,
}

const COLUMNS: &str = "seq, id, at, actor, station, kind, version, payload, prev, hash";

impl Record {
    /// Reads any row, also one that this program would never have written: what cannot be
    /// represented becomes a value that no row of ours has, so that its hash does not match.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text = |column: usize| -> rusqlite::Result<String> {
            let bytes = row.get_ref(column)?.as_bytes()?;
            Ok(str::from_utf8(bytes).unwrap_or(NOT_UTF8).to_owned())
        };
        let hash = |column: usize| -> rusqlite::Result<Hash> {
            Ok(row.get_ref(column)?.as_blob()?.try_into().unwrap_or(NO_HASH))
        };
        Ok(Self {
            seq: row.get(0)?,
            id: text(1)?,
            at: row.get(2)?,
            actor: text(3)?,
            station: text(4)?,
            kind: text(5)?,
            version: u32::try_from(row.get::<_, i64>(6)?).unwrap_or(u32::MAX),
            payload: text(7)?,
            prev: hash(8)?,
            hash: hash(9)?,
        })
    }

    /// BLAKE3 over every stored column but the hash, each with its length in front, so that no
    /// two different rows have the same bytes.
    fn computed_hash(&self, seq: i64) -> Hash {
        let mut hasher = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(&seq.to_le_bytes());
        field(self.id.as_bytes());
        field(&self.at.to_le_bytes());
        field(self.actor.as_bytes());
        field(self.station.as_bytes());
        field(self.kind.as_bytes());
        field(&self.version.to_le_bytes());
        field(self.payload.as_bytes());
        field(&self.prev);
        *hasher.finalize().as_bytes()
    }

    pub(super) fn event(&self) -> Result<Event, StoreError> {
        let bad = |why: String| StoreError::BadEvent { seq: self.seq, kind: self.kind.clone(), why };
        if self.version > PAYLOAD_VERSION {
            return Err(bad(format!("payload version {} is newer than this program", self.version)));
        }
        let kind = serde_json::to_string(&self.kind).map_err(|error| bad(error.to_string()))?;
        serde_json::from_str(&format!("{{\"kind\":{kind},\"payload\":{}}}", self.payload))
            .map_err(|error| bad(error.to_string()))
    }
}

/// `{"kind": …, "payload": …}` in its two parts.
fn parts(event: &Event) -> Result<(String, String), StoreError> {
    let refused = |error: serde_json::Error| StoreError::Refused(format!("event cannot be written: {error}"));
    let mut value = serde_json::to_value(event).map_err(refused)?;
    let payload = serde_json::to_string(&value["payload"]).map_err(refused)?;
    match value["kind"].take() {
        serde_json::Value::String(kind) => Ok((kind, payload)),
        _ => Err(StoreError::Refused("event has no kind".into())),
    }
}

fn last(conn: &Connection) -> Result<Option<(Head, i64)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, hash, at FROM events ORDER BY seq DESC LIMIT 1")?;
    let row = statement
        .query_row([], |row| Ok((Head { count: row.get(0)?, hash: row.get(1)? }, row.get(2)?)))
        .optional()?;
    Ok(row)
}

pub(super) fn head(conn: &Connection) -> Result<Head, StoreError> {
    Ok(last(conn)?.map_or(Head { count: 0, hash: GENESIS }, |(head, _)| head))
}

/// Appends inside the caller's transaction. The head is read here, under the write lock, since
/// other processes append too. Time never steps back within a chain, whatever the clock does.
pub(super) fn append(
    conn: &Connection,
    station: StationId,
    actor: &str,
    now: Timestamp,
    event: &Event,
) -> Result<Record, StoreError> {
    let (head, last_at) = last(conn)?.unwrap_or((Head { count: 0, hash: GENESIS }, i64::MIN));
    let (kind, payload) = parts(event)?;
    let mut record = Record {
        seq: head.count + 1,
        id: EventId::generate().to_string(),
        at: now.as_micros().max(last_at),
        actor: actor.to_owned(),
        station: station.to_string(),
        kind,
        version: PAYLOAD_VERSION,
        payload,
        prev: head.hash,
        hash: GENESIS,
    };
    record.hash = record.computed_hash(record.seq);
    conn.prepare_cached(&format!("INSERT INTO events ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"))?
        .execute(params![
            record.seq,
            record.id,
            record.at,
            record.actor,
            record.station,
            record.kind,
            record.version,
            record.payload,
            record.prev,
            record.hash
        ])?;
    Ok(record)
}

pub(super) fn event_at(conn: &Connection, seq: i64) -> Result<Option<Event>, StoreError> {
    Ok(entry_at(conn, seq)?.map(|(_, _, event)| event))
}

/// When, by whom and what; `None` where there is no such event.
pub(super) fn entry_at(
    conn: &Connection,
    seq: i64,
) -> Result<Option<(Timestamp, String, Event)>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE seq = ?1"))?;
    let record = statement.query_row([seq], Record::read).optional()?;
    record
        .map(|record| Ok((Timestamp::from_micros(record.at), record.actor.clone(), record.event()?)))
        .transpose()
}

/// Calls `visit` for each event from `from_seq` on, in order.
pub(super) fn for_each(
    conn: &Connection,
    from_seq: i64,
    visit: impl FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for_each_in(conn, "events", from_seq, visit)
}

/// As [`for_each`], from the log of an attached database.
pub(super) fn for_each_in(
    conn: &Connection,
    events: &str,
    from_seq: i64,
    mut visit: impl FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement =
        conn.prepare(&format!("SELECT {COLUMNS} FROM {events} WHERE seq >= ?1 ORDER BY seq"))?;
    let mut rows = statement.query([from_seq])?;
    while let Some(row) = rows.next()? {
        visit(Record::read(row)?)?;
    }
    Ok(())
}

/// As [`for_each`], of one kind only.
pub(super) fn for_each_of(
    conn: &Connection,
    kind: &str,
    mut visit: impl FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE kind = ?1 ORDER BY seq");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([kind])?;
    while let Some(row) = rows.next()? {
        visit(Record::read(row)?)?;
    }
    Ok(())
}

/// The first place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainFault {
    pub seq: i64,
    pub kind: FaultKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    Changed,
    Missing,
    Inserted,
    Reordered,
    CutOff,
    /// Everything follows, but it is not the history that the anchor was taken from.
    Rewritten,
}

/// Walks the whole chain and compares it with `anchor`, a head noted earlier elsewhere.
pub(super) fn check_chain(
    conn: &Connection,
    anchor: Option<Head>,
) -> Result<(Head, Option<ChainFault>), StoreError> {
    let mut good = Head { count: 0, hash: GENESIS };
    let mut first_bad = None;
    let mut anchored = anchor.is_none_or(|a| a == good);
    for_each(conn, i64::MIN, |record| {
        if first_bad.is_some() {
            return Ok(());
        }
        let follows = record.seq == good.count + 1 && record.prev == good.hash;
        if follows && record.computed_hash(record.seq) == record.hash {
            good = Head { count: record.seq, hash: record.hash };
            anchored |= anchor == Some(good);
        } else {
            first_bad = Some(record);
        }
        Ok(())
    })?;
    let fault = match (first_bad, anchor) {
        (Some(record), _) => Some(name_fault(conn, good, &record)?),
        (None, Some(anchor)) if anchor.count > good.count => Some(ChainFault {
            seq: good.count + 1,
            kind: FaultKind::CutOff,
            message: format!("events {} to {} are cut off", good.count + 1, anchor.count),
        }),
        (None, Some(anchor)) if !anchored => Some(ChainFault {
            seq: anchor.count,
            kind: FaultKind::Rewritten,
            message: format!(
                "event {} is not the one that the anchor names: the log was rewritten",
                anchor.count
            ),
        }),
        _ => None,
    };
    Ok((good, fault))
}

/// What happened at the first row that does not follow `good`.
///
/// A row's hash covers its number, so an untouched row knows where it was written (its *home*),
/// and the row that ought to stand here (the *rightful* one) is known by the hash before it.
fn name_fault(conn: &Connection, good: Head, record: &Record) -> Result<ChainFault, StoreError> {
    let expected = good.count + 1;
    let fault = |seq: i64, kind: FaultKind, message: String| Ok(ChainFault { seq, kind, message });
    let moved = |from: i64, to: i64| {
        fault(from, FaultKind::Reordered, format!("event {from} was moved: it stands at {to}"))
    };
    let changed =
        |seq: i64, how: &str| fault(seq, FaultKind::Changed, format!("event {seq} was changed ({how})"));
    let inserted = |seq: i64| fault(seq, FaultKind::Inserted, format!("event {seq} was inserted"));
    let missing = |first: i64, last: i64| {
        let message = if last > first {
            format!("events {first} to {last} are missing")
        } else {
            format!("event {first} is missing")
        };
        fault(first, FaultKind::Missing, message)
    };

    let mut rightful: Option<i64> = None;
    for_each(conn, i64::MIN, |other| {
        if other.prev == good.hash && other.computed_hash(expected) == other.hash {
            rightful = Some(other.seq);
        }
        Ok(())
    })?;
    match (rightful, home(record, expected)) {
        (Some(at), Some(home)) if at == expected => moved(home, record.seq),
        (Some(at), Some(_)) => moved(expected, at),
        (Some(_), None) => inserted(record.seq),
        (None, Some(home)) if home > expected => missing(expected, home - 1),
        // Whole in itself and in its place, but it does not follow: it remembers another hash
        // than the event before it has now.
        (None, Some(home)) if home == expected => changed(good.count.max(1), "and its hash made again"),
        // The place that it was written for is taken by an event with a hash of its own.
        (None, Some(home)) => inserted(home),
        (None, None) if record.seq > expected => missing(expected, record.seq - 1),
        (None, None) if record.seq < expected => inserted(record.seq),
        (None, None) => changed(record.seq, &record.kind),
    }
}

/// The number that an untouched row was written under; `None` for a changed or invented one.
fn home(record: &Record, expected: i64) -> Option<i64> {
    let from = (expected - HOME_SEARCH_EVENTS).max(1);
    (from..=expected.saturating_add(HOME_SEARCH_EVENTS)).find(|&seq| record.computed_hash(seq) == record.hash)
}
