//! Lines with a history, for the promises that hold over any history: a line in a temporary
//! folder, a clock that is set by hand, and steps that a station and its reviewers can take.
//!
//! Uses the public interface alone, and raw SQL where a test looks at rows or spoils them.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rusqlite::types::Value;
use secondlook::decide::{Seen, audit_of, decide_item};
use secondlook::domain::{
    Arrival, AuditRates, Class, DecidedBy, Decision, Event, InspectionId, ItemId, Label, Level, MediaHash,
    MediaKind, ModelRef, Outcome, Plan, Policy, Prediction, Probability, Reason, Region, RetentionRule,
    Route, Shape, Task, Thresholds, Timestamp, Timing, Verdict, VerdictMode, VerdictStatus,
};
use secondlook::review::{self, Recorded, ReviewError, redecide};
use secondlook::store::{Clock, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

pub const REVIEWERS: [&str; 3] = ["ann", "ben", "cem"];
/// Every table that the log is folded into.
pub const PROJECTIONS: [&str; 10] = [
    "items",
    "inspections",
    "predictions",
    "decisions",
    "queue",
    "verdicts",
    "labels",
    "expired",
    "tallies",
    "settings",
];

/// Time as the test says. It starts after the line was made, or nothing would ever be later.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    pub fn move_secs(&self, secs: f64) {
        let moved = self.now().plus_secs(secs).as_micros();
        self.0.store(moved, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || hands.now())
    }
}

pub struct Line {
    pub plan: Plan,
    pub store: Store,
    pub hands: Hands,
    /// In the order of arrival.
    pub items: Vec<ItemId>,
    pub level: Level,
    /// How often automatic decisions are checked, and questions asked blind.
    pub audits: AuditRates,
    count: u32,
    // Last, so that the database is closed before its folder goes.
    folder: TempDir,
}

pub fn plan(items: u32) -> Plan {
    let class = |name: &str, route| Class { name: name.into(), route };
    let classes = vec![
        class("good", Route::Pass),
        class("dust", Route::Pass),
        class("crack", Route::Divert),
        class("stain", Route::Divert),
    ];
    let mut plan = Plan::new("Tiles", Task::Defect, classes);
    plan.inspection.items = items;
    plan
}

pub fn model() -> ModelRef {
    ModelRef { name: "tiles".into(), hash: MediaHash::of(b"tiles").to_string() }
}

pub fn policy(level: Level) -> Policy {
    let at = |p| Some(Probability::saturating(p));
    Policy {
        level,
        thresholds: Thresholds { pass_below: at(0.2), divert_above: at(0.8), accept_below: None },
        version: 1,
    }
}

/// Every decision is drawn with the same probability.
pub fn every(probability: f64) -> AuditRates {
    let p = Probability::saturating(probability);
    AuditRates { pass_safe: p, pass_near: p, divert_near: p, divert_safe: p, asked: p }
}

pub fn verdict(item: ItemId, reviewer: &str, answer: &str) -> Verdict {
    let (status, class) = match answer {
        "cannot tell" => (VerdictStatus::CannotTell, None),
        "bad input" => (VerdictStatus::BadInput, None),
        class => (VerdictStatus::Answered, Some(class.to_owned())),
    };
    Verdict {
        item,
        reviewer: reviewer.into(),
        status,
        class,
        regions: vec![],
        transcript: None,
        mode: VerdictMode::Hidden,
        class_before: None,
        model: None,
        policy: None,
        regions_shown: vec![],
        comment: None,
        seconds: 1.5,
    }
}

/// The same histories in every run; `PROPTEST_CASES` and another seed here look further.
pub fn histories() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(17),
        ..ProptestConfig::default()
    }
}

/// What can be answered; the last is a picture called good with a crack drawn on it.
pub const ANSWERS: [&str; 7] =
    ["good", "dust", "crack", "stain", "cannot tell", "bad input", "good with a crack"];

#[derive(Clone, Debug)]
pub enum Step {
    /// A new unit with this defect probability; above 1 the picture cannot be decoded.
    Arrive(f64),
    /// The next picture of the newest unit that still waits for one.
    Another(f64),
    TimeOut,
    Import(bool),
    Answer {
        who: usize,
        what: usize,
        which: usize,
    },
    Undo(usize),
    Level(usize),
    Promote,
    Retention {
        days: f64,
        outcome: Option<Outcome>,
    },
    /// Seconds by which the clock moves, also backwards.
    Clock(f64),
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let outcomes = prop_oneof![Just(None), Just(Some(Outcome::Pass)), Just(Some(Outcome::Divert))];
    let step = prop_oneof![
        6 => (0.0..1.2).prop_map(Step::Arrive),
        4 => (0.0..1.2).prop_map(Step::Another),
        1 => Just(Step::TimeOut),
        1 => any::<bool>().prop_map(Step::Import),
        8 => (0..REVIEWERS.len(), 0..ANSWERS.len(), 0_usize..8)
            .prop_map(|(who, what, which)| Step::Answer { who, what, which }),
        4 => (0..REVIEWERS.len()).prop_map(Step::Undo),
        2 => (0..Level::ALL.len()).prop_map(Step::Level),
        1 => Just(Step::Promote),
        1 => (0.0..0.002, outcomes).prop_map(|(days, outcome)| Step::Retention { days, outcome }),
        2 => (-50.0..200.0).prop_map(Step::Clock),
    ];
    proptest::collection::vec(step, 1..most)
}

impl Line {
    /// A new line whose inspections have so many items each.
    pub fn new(items: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let plan = plan(items);
        let path = folder.path().join("line");
        drop(Store::create(&path, &plan, "test").unwrap());
        let hands = Hands(Arc::new(AtomicI64::new(Timestamp::now().plus_secs(1.0).as_micros())));
        let store = Store::open_with_clock(&path, hands.clock()).unwrap();
        let level = Level::Partial;
        Self { plan, store, hands, items: vec![], level, audits: every(0.0), count: 0, folder }
    }

    /// The line's folder; other things of a test may be put beside it.
    pub fn path(&self) -> &Path {
        self.store.folder()
    }

    pub fn beside(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn reopen(&mut self) {
        self.store = Store::open_with_clock(self.path(), self.hands.clock()).unwrap();
    }

    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path().join("secondlook.db")).unwrap()
    }

    pub fn transact<T>(
        &mut self,
        work: impl FnOnce(&secondlook::store::Tx<'_>) -> Result<T, StoreError>,
    ) -> T {
        self.store.transact("station", work).unwrap()
    }

    /// A picture of a new unit; with several items to an inspection it waits for the others.
    pub fn arrive(&mut self, p: f64) -> ItemId {
        let unit = format!("unit {}", self.items.len());
        self.arrive_in(InspectionId::generate(), unit, p)
    }

    pub fn arrive_in(&mut self, inspection: InspectionId, unit: String, p: f64) -> ItemId {
        let arrival = self.arrival(Some(inspection), unit);
        let item = arrival.item;
        let probabilities = BTreeMap::from([
            ("good".to_owned(), Probability::saturating(1.0 - p)),
            ("crack".to_owned(), Probability::saturating(p)),
        ]);
        let prediction = Prediction {
            model: model(),
            probabilities,
            regions: vec![],
            transcript: None,
            timing: Timing::default(),
            inputs: None,
            features: Vec::new(),
        };
        let failure = Reason::Undecodable { why: "it ends in the middle".into() };
        let seen = if p > 1.0 { Seen::Failed(&failure) } else { Seen::Predicted(&prediction) };
        let policy = policy(self.level);
        let mut decision = decide_item(&self.plan, &policy, seen);
        if decision.decided_by == DecidedBy::Model {
            let (p, outcome) = (Probability::saturating(p), decision.outcome);
            let subject = inspection.to_string();
            let drawn = audit_of(&self.audits, &[3; 32], &subject, outcome, p, policy.thresholds);
            decision.audit = Some(drawn);
        }
        let plan = self.plan.clone();
        self.transact(|tx| {
            tx.append(&Event::ItemArrived(arrival))?;
            if p <= 1.0 {
                tx.append(&Event::ItemPredicted { item, prediction: prediction.clone() })?;
            }
            tx.append(&Event::ItemDecided { item, inspection, decision })?;
            redecide(tx, &plan, inspection, false)
        });
        item
    }

    fn arrival(&mut self, inspection: Option<InspectionId>, unit: String) -> Arrival {
        self.count += 1;
        let bytes = format!("picture {}", self.count);
        let media = self.store.blobs().put(bytes.as_bytes()).unwrap();
        let item = ItemId::generate();
        self.items.push(item);
        Arrival {
            item,
            inspection,
            unit,
            position: None,
            kind: MediaKind::Image,
            media,
            bytes: bytes.len() as u64,
            reference: None,
            name: format!("{}.jpg", self.count),
            source: "folder:inbox".into(),
            modified_at: None,
            label: None,
            votes: vec![],
            extra: BTreeMap::new(),
        }
    }

    pub fn import(&mut self, label: Option<Label>) -> ItemId {
        let mut arrival = self.arrival(None, "imported".into());
        arrival.label.clone_from(&label);
        let item = arrival.item;
        self.transact(|tx| {
            tx.append(&Event::ItemArrived(arrival))?;
            if let Some(label) = label {
                tx.append(&Event::LabelSettled { item, label })?;
            }
            Ok(())
        });
        item
    }

    pub fn time_out(&mut self) {
        self.hands.move_secs(self.plan.inspection.timeout_secs + 1.0);
        let plan = self.plan.clone();
        self.transact(|tx| {
            let before = tx.now().plus_secs(-plan.inspection.timeout_secs);
            for id in tx.overdue_inspections(before)? {
                redecide(tx, &plan, id, true)?;
            }
            Ok(())
        });
    }

    pub fn answer(&mut self, item: ItemId, who: &str, what: &str) -> Result<Recorded, ReviewError> {
        let mut given = verdict(item, who, what);
        if what == "good with a crack" {
            given.class = Some("good".into());
            given.regions.push(Region::new("crack", Shape::Whole));
        }
        review::answer(&mut self.store, &self.plan, &given)
    }

    pub fn undo(&mut self, who: &str) -> Result<Recorded, ReviewError> {
        review::undo(&mut self.store, &self.plan, who)
    }

    pub fn take(&mut self, step: &Step) {
        match *step {
            Step::Arrive(p) => drop(self.arrive(p)),
            Step::Another(p) => {
                let unit = format!("unit {}", self.items.len().saturating_sub(1));
                let since = self.hands.now().plus_secs(-1e6);
                let open = self.store.view().open_inspection(&unit, None, since).unwrap();
                self.arrive_in(open.unwrap_or_else(InspectionId::generate), unit, p);
            }
            Step::TimeOut => self.time_out(),
            Step::Import(labelled) => drop(self.import(labelled.then(|| Label::confirmed("stain")))),
            Step::Answer { who, what, which } => {
                // The newest items are the ones that people answer, several people the same.
                let Some(&item) = self.items.iter().rev().nth(which % self.items.len().max(1)) else {
                    return;
                };
                self.answer(item, REVIEWERS[who], ANSWERS[what]).unwrap();
            }
            Step::Undo(who) => match self.undo(REVIEWERS[who]) {
                Ok(_) | Err(ReviewError::NothingToUndo(_)) => {}
                Err(error) => panic!("{error}"),
            },
            Step::Level(to) => {
                let (from, to) = (self.level, Level::ALL[to]);
                self.level = to;
                self.transact(|tx| {
                    tx.append(&Event::LevelChanged {
                        from: Some(from),
                        to,
                        reason: "test".into(),
                        evidence: None,
                    })?;
                    tx.append(&Event::PolicyAdopted {
                        policy: policy(to),
                        evidence: "test".into(),
                        audits: None,
                        reason: String::new(),
                    })
                    .map(drop)
                });
            }
            Step::Promote => self.transact(|tx| {
                tx.append(&Event::ModelPromoted { model: model(), reason: "test".into(), evidence: None })
                    .map(drop)
            }),
            Step::Retention { days, outcome } => {
                let rule = RetentionRule { name: "old".into(), days, decision: outcome, labelled_too: false };
                self.store.apply_retention(&[rule], "station").unwrap();
            }
            Step::Clock(secs) => self.hands.move_secs(secs),
        }
    }

    pub fn take_all(&mut self, steps: &[Step]) {
        for step in steps {
            self.take(step);
        }
    }

    /// Every row of every projection.
    pub fn projections(&self) -> BTreeMap<String, BTreeSet<String>> {
        let raw = self.raw();
        PROJECTIONS
            .iter()
            .map(|table| ((*table).to_owned(), rows(&raw, &format!("SELECT * FROM {table}"))))
            .collect()
    }

    /// What counts now, without the times at which it came to be so, the answers taken back, and
    /// the policy beside a person's decision, which is that of the moment.
    pub fn in_force(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        let raw = self.raw();
        [
            (
                "decisions",
                "SELECT item_id, inspection_id, decision, decided_by, code, reason, model,
                 CASE decided_by WHEN 'person' THEN NULL ELSE policy END FROM decisions",
            ),
            (
                "inspections",
                "SELECT inspection_id, unit, opened_at, items, decision, decided_by, reason FROM inspections",
            ),
            ("queue", "SELECT * FROM queue"),
            ("labels", "SELECT item_id, class, status, payload FROM labels"),
            ("verdicts", "SELECT event_id FROM verdicts WHERE undone = 0"),
            ("tallies", "SELECT * FROM tallies WHERE n <> 0"),
        ]
        .into_iter()
        .map(|(name, sql)| (name, rows(&raw, sql)))
        .collect()
    }
}

pub fn rows(conn: &rusqlite::Connection, sql: &str) -> BTreeSet<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let columns = statement.column_count();
    let read = statement
        .query_map([], |row| {
            (0..columns).map(|i| row.get::<_, Value>(i)).collect::<rusqlite::Result<Vec<_>>>()
        })
        .unwrap();
    read.map(|row| format!("{:?}", row.unwrap())).collect()
}

/// A decision as the station records it when a model is sure.
pub fn by_model(outcome: Outcome) -> Decision {
    Decision {
        outcome,
        decided_by: DecidedBy::Model,
        reason: Reason::AllItemsPass,
        policy: Some(policy(Level::Partial)),
        model: Some(model()),
        audit: None,
    }
}
