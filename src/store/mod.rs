//! The memory of a line: one SQLite file with an append-only, hash-chained event log and the
//! tables projected from it, blobs by content hash, and the outbox.
//!
//! Writers of any process take SQLite's write lock (`BEGIN IMMEDIATE`), read the head of the
//! chain under it, append, project and commit with `synchronous=FULL`. Knows nothing of media
//! formats, models or the engine.

mod backup;
mod blobs;
mod browse;
mod dataset;
mod error;
mod evidence;
mod lease;
mod log;
mod outbox;
mod project;
mod query;
mod releases;
mod retention;
mod verify;

pub use backup::{CopyProgress, CopyReport, backup, restore};
pub use blobs::{BlobState, Blobs};
pub use browse::{
    ASKED_BLIND, AnswerPace, HistoryEntry, InspectedItem, LabelFilter, LabelPlace, Labelled, QueueFilter,
    Waiting,
};
pub use dataset::{AuditSet, Noted};
pub use error::StoreError;
pub use evidence::{Automatic, CheckedItem, TwoAnswers};
pub use log::{ChainFault, FaultKind, Head};
pub use outbox::OutboxLine;
pub use query::{InspectionState, LabelRow, QueuePlace, Queued, Settings, StandingVerdict, Tallies, View};
pub use releases::{SeenByBoth, ShadowItem};
pub use verify::{RebuildReport, VerifyReport};

use crate::domain::{Event, EventId, Plan, StationId, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const DATABASE: &str = "secondlook.db";
const PLAN_FILE: &str = "line.toml";
/// A second writer (a reviewer beside the station) waits this long for its turn; a commit takes
/// milliseconds, so this is only ever reached when a program holds the database open in a
/// transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A commit is on the disk when it returns.
const DURABLE: &str = "FULL";
/// 8 MiB of page cache for each connection: the pages that a queue of a million opens with fit, and a
/// window that is open all day does not grow by more.
const CACHE_KIB: i32 = 8 * 1024;

static MIGRATION_FILES: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/migrations");
static MIGRATIONS: LazyLock<Result<rusqlite_migration::Migrations<'static>, rusqlite_migration::Error>> =
    LazyLock::new(|| rusqlite_migration::Migrations::from_directory(&MIGRATION_FILES));

/// Says what time it is; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One piece of [`Store::transact_group`].
pub type Work<T> = Box<dyn FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send>;

/// One line's memory, open for reading and writing.
pub struct Store {
    conn: Connection,
    folder: PathBuf,
    station: StationId,
    blobs: Blobs,
    clock: Clock,
    /// How a commit waits for the disk.
    durability: &'static str,
}

/// Held while a station runs on the line; the lock ends with the process, however it ends.
pub struct StationLock {
    _file: File,
}

/// A transaction: reads see its own writes, and all of it is committed or none.
pub struct Tx<'a> {
    view: View<'a>,
    station: StationId,
    actor: &'a str,
    now: Timestamp,
}

impl<'a> std::ops::Deref for Tx<'a> {
    type Target = View<'a>;
    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl Tx<'_> {
    /// Appends one event and projects it.
    pub fn append(&self, event: &Event) -> Result<EventId, StoreError> {
        let record = log::append(self.view.conn, self.station, self.actor, self.now, event)?;
        project::project(self.view.conn, &record, event)?;
        record.id.parse().map_err(|_| StoreError::Refused("an event id is not a UUID".into()))
    }

    /// The line's own key for drawing checks: nobody outside of its files can tell which items come.
    #[must_use]
    pub fn audit_key(&self) -> [u8; 32] {
        audit_key(self.station)
    }

    /// The time of this transaction.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

fn audit_key(station: StationId) -> [u8; 32] {
    blake3::derive_key("secondlook 2026 audit draws", station.to_string().as_bytes())
}

impl Store {
    /// As [`Tx::audit_key`].
    #[must_use]
    pub fn audit_key(&self) -> [u8; 32] {
        audit_key(self.station)
    }

    /// Makes a new line in `folder` (created when absent) and opens it.
    pub fn create(folder: &Path, plan: &Plan, actor: &str) -> Result<Self, StoreError> {
        if Self::exists(folder) {
            return Err(StoreError::AlreadyALine(folder.to_owned()));
        }
        let text = plan.to_toml().map_err(|error| StoreError::Refused(error.to_string()))?;
        for part in ["media", "models", "out"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(StoreError::io("cannot create", &path))?;
        }
        let plan_path = folder.join(PLAN_FILE);
        blobs::write_synced(&plan_path, text.as_bytes())
            .map_err(StoreError::io("cannot write", &plan_path))?;
        // The database appears under its name only when it is complete, so that a line that was
        // interrupted while it was made is not a line.
        let making = folder.join(".secondlook.db.tmp");
        for leftover in
            [making.clone(), folder.join(".secondlook.db.tmp-wal"), folder.join(".secondlook.db.tmp-shm")]
        {
            let _ = fs::remove_file(leftover);
        }
        {
            let mut conn = Connection::open(&making)?;
            migrate(&mut conn, &making)?;
            let station = StationId::generate();
            let tx = conn.transaction()?;
            tx.execute("INSERT INTO line VALUES (?1)", [station.to_string()])?;
            let event = Event::LineCreated {
                name: plan.name.clone(),
                plan: blake3::hash(text.as_bytes()).to_hex().to_string(),
            };
            let record = log::append(&tx, station, actor, Timestamp::now(), &event)?;
            project::project(&tx, &record, &event)?;
            tx.commit()?;
        }
        let path = folder.join(DATABASE);
        fs::rename(&making, &path).map_err(StoreError::io("cannot rename", &path))?;
        blobs::sync_folder(folder)?;
        Self::open(folder)
    }

    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with_clock(folder, Arc::new(Timestamp::now))
    }

    pub fn open_with_clock(folder: &Path, clock: Clock) -> Result<Self, StoreError> {
        let path = folder.join(DATABASE);
        if !path.is_file() {
            return Err(StoreError::NotALine(folder.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(&path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", DURABLE)?;
        conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
        conn.set_prepared_statement_cache_capacity(64);
        let version = |conn: &Connection| -> Result<i64, StoreError> {
            Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
        };
        let before = version(&conn)?;
        migrate(&mut conn, folder)?;
        let is_older = before != version(&conn)?;
        let station: String = conn
            .query_row("SELECT station FROM line", [], |row| row.get(0))
            .optional()?
            .ok_or_else(|| StoreError::Damaged("it holds no line".into()))?;
        let station =
            station.parse().map_err(|_| StoreError::Damaged(format!("\"{station}\" is not a station id")))?;
        let mut store = Self {
            conn,
            folder: folder.to_owned(),
            station,
            blobs: Blobs::of_line(folder),
            clock,
            durability: DURABLE,
        };
        if is_older {
            // New projections begin with the whole history of the line.
            store.rebuild()?;
        }
        Ok(store)
    }

    /// From now on nothing of this connection waits for the disk: for scratch lines that nobody misses
    /// after a power failure.
    pub fn without_sync(mut self) -> Result<Self, StoreError> {
        self.durability = "OFF";
        self.conn.pragma_update(None, "synchronous", self.durability)?;
        Ok(self)
    }

    /// What events of this line carry, in every place that the line is copied to.
    #[must_use]
    pub fn station(&self) -> StationId {
        self.station
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { conn: &self.conn }
    }

    pub fn head(&self) -> Result<Head, StoreError> {
        log::head(&self.conn)
    }

    /// Whether `folder` holds a line.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.join(DATABASE).is_file()
    }

    /// Where the plan of a line is kept.
    #[must_use]
    pub fn plan_path(folder: &Path) -> PathBuf {
        folder.join(PLAN_FILE)
    }

    /// One durable transaction. When it returns, what `work` appended is on disk.
    pub fn transact<T, E: From<StoreError>>(
        &mut self,
        actor: &str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let now = (self.clock)();
        let station = self.station;
        let tx = begin(&mut self.conn)?;
        let done = work(&Tx { view: View { conn: &tx }, station, actor, now })?;
        tx.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// Several independent pieces of work under one commit and one disk sync. A piece that fails
    /// leaves no trace and does not touch the others; when the commit itself fails, all do.
    pub fn transact_group<T>(
        &mut self,
        actor: &str,
        works: Vec<Work<T>>,
    ) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        let now = (self.clock)();
        let station = self.station;
        let mut tx = begin(&mut self.conn)?;
        let mut results = Vec::with_capacity(works.len());
        for work in works {
            let savepoint = tx.savepoint()?;
            let result = work(&Tx { view: View { conn: &savepoint }, station, actor, now });
            if result.is_ok() {
                savepoint.commit()?;
            } else {
                savepoint.finish()?;
            }
            results.push(result);
        }
        tx.commit()?;
        Ok(results)
    }

    /// Taken by the one station of the line.
    pub fn lock_station(&self) -> Result<StationLock, StoreError> {
        let path = self.folder.join("station.lock");
        let file = lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(StationLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::StationRuns(self.folder.clone())),
            Err(TryLockError::Error(error)) => Err(StoreError::io("cannot lock", &path)(error)),
        }
    }
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(StoreError::io("cannot open", path))
}

fn begin(conn: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    Ok(conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    use rusqlite_migration::{Error, MigrationDefinitionError};
    let migrations =
        MIGRATIONS.as_ref().map_err(|error| StoreError::Refused(format!("migrations: {error}")))?;
    migrations.to_latest(conn).map_err(|error| match error {
        Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
            StoreError::Newer(path.to_owned())
        }
        Error::RusqliteError { err, .. } => err.into(),
        other => StoreError::Damaged(other.to_string()),
    })
}
