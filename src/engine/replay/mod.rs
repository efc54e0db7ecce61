//! A labelled data set as a live stream: what the station would have done with it, answered by a
//! simulated person. Decisions, checks, alarms, levels and verdicts go through the same code and a real
//! (scratch) line; only cameras and people are played.

mod page;
mod player;
mod score;

pub use page::write_page;

use super::data::{Dataset, absolute};
use super::model::SCORES;
use super::{EngineError, Line, LineRequest, find_model};
use crate::domain::{AlarmKind, Event, LabelledItem, Level, ModelRef, Plan};
use crate::infer::Model;
use crate::store::Store;
use player::Player;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use score::{Scored, read_scores, score_all};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

/// How the simulated person answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reviewer {
    /// Always right.
    Oracle,
    /// Wrong about good or defective, or about what is said, with this probability, each look for itself.
    Noisy(f64),
}

impl FromStr for Reviewer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "oracle" => Ok(Self::Oracle),
            Some(("noisy", rate)) => match rate.parse::<f64>() {
                Ok(rate) if (0.0..=0.5).contains(&rate) => Ok(Self::Noisy(rate)),
                _ => Err(format!("\"{rate}\" is not an error rate from 0 to 0.5")),
            },
            _ => Err(format!("\"{text}\" is not oracle or noisy:RATE")),
        }
    }
}

impl Reviewer {
    const fn error_rate(self) -> f64 {
        match self {
            Self::Oracle => 0.0,
            Self::Noisy(rate) => rate,
        }
    }
}

#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The package to begin with; the line's live one when absent.
    pub model: Option<String>,
    /// Begin without a model.
    pub from_nothing: bool,
    /// The package whose weights every training begins with.
    pub init: Option<String>,
    pub reviewer: Reviewer,
    pub seed: u64,
    /// Runs with one seed each, the first is `seed`.
    pub runs: u64,
    /// Share of defective units in the stream, where it is to differ from the data set's.
    pub prevalence: Option<f64>,
    /// The simulated person raises the level as far as this, where the evidence is there.
    pub level: Level,
    /// Keep the line of the first run here, with its pictures, to look at it in the window.
    pub keep: Option<PathBuf>,
}

/// An alarm, and when it came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlarmAt {
    /// Items that had arrived.
    pub at: usize,
    pub kind: AlarmKind,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LevelChange {
    pub at: usize,
    pub from: Level,
    pub to: Level,
    pub by: String,
    pub reason: String,
}

/// The stream at one moment; counts from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moment {
    pub at: usize,
    pub level: Level,
    pub passed: usize,
    pub diverted: usize,
    pub escapes: usize,
    pub overkill: usize,
    pub errors: usize,
    pub labels_used: usize,
    /// Of the items since the moment before.
    pub automation_rate: f64,
}

/// What one run came to. Rates are of what the model decided alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayRun {
    pub seed: u64,
    /// Whether the evidence supported the promise at the end.
    pub supported: bool,
    /// What was missing to it then, in words.
    pub missing: Option<String>,
    pub inspections: usize,
    pub passed: usize,
    pub diverted: usize,
    pub review: usize,
    /// Defective ones that passed unseen, and good ones that were diverted unseen.
    pub escapes: usize,
    pub overkill: usize,
    /// Decided unseen under a wrong name or reading, and their share among the decided; only of lines that
    /// name items or write down what is said.
    pub errors: usize,
    pub error_rate: Option<f64>,
    /// Escapes among the passed.
    pub outgoing_rate: Option<f64>,
    /// Escapes among all defective ones.
    pub miss_rate: Option<f64>,
    pub audits: usize,
    /// Answers, those before the stream included.
    pub labels_used: usize,
    pub automation_rate: f64,
    pub trainings: usize,
    pub alarms: Vec<AlarmAt>,
    pub level_changes: Vec<LevelChange>,
    pub over_time: Vec<Moment>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    pub dataset: String,
    /// Item with which the second data set begins.
    pub change_at: Option<usize>,
    pub plan: Plan,
    pub runs: Vec<ReplayRun>,
}

/// What is played.
pub enum ReplaySet {
    Pictures(Dataset),
    /// Predictions of one model, as `evaluate` or `cross-validate` has written them: takes seconds.
    Scores(PathBuf),
}

impl ReplaySet {
    fn name(&self) -> String {
        match self {
            Self::Pictures(set) => set.name.clone(),
            Self::Scores(path) => path.display().to_string(),
        }
    }
}

/// Plays `dataset`, and then `then`, on a scratch line with the plan of `line`.
pub fn replay(
    line: &Line,
    dataset: &ReplaySet,
    then: Option<&ReplaySet>,
    options: &ReplayOptions,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<Replay, EngineError> {
    let plan = scratch_plan(&line.plan);
    let model = first_model(line, dataset, options)?;
    let find = |name: &String| find_model(Some(line.store.folder()), name);
    let init = options.init.as_ref().map(find).transpose()?;
    let sets: Vec<&ReplaySet> = std::iter::once(dataset).chain(then).collect();
    let mut loaded: Vec<(Cow<'_, [LabelledItem]>, Vec<Scored>)> = Vec::new();
    for set in sets {
        loaded.push(match (set, &model) {
            (ReplaySet::Pictures(set), First::Package(model)) => {
                let mut told = |done, all| progress("scoring", done, all);
                (Cow::Borrowed(&set.items[..]), score_all(&set.items, Some(model), cancel, &mut told)?)
            }
            (ReplaySet::Pictures(set), First::Nothing) => {
                let mut told = |done, all| progress("reading", done, all);
                (Cow::Borrowed(&set.items[..]), score_all(&set.items, None, cancel, &mut told)?)
            }
            (ReplaySet::Scores(path), First::Scores(reference)) => {
                let (items, scored) = read_scores(path, reference)?;
                (Cow::Owned(items), scored)
            }
            _ => return Err(EngineError::Usage("pictures and scores cannot follow each other".into())),
        });
    }
    let mut runs = Vec::new();
    let mut change_at = None;
    for seed in options.seed..options.seed + options.runs.max(1) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let orders: Vec<Vec<usize>> =
            loaded.iter().map(|(items, _)| order(&plan, items, options.prevalence, &mut random)).collect();
        change_at = then.is_some().then(|| orders.first().map_or(0, Vec::len));
        let stream: Vec<(&LabelledItem, &Scored)> = loaded
            .iter()
            .zip(&orders)
            .flat_map(|((items, scored), order)| order.iter().map(|&at| (&items[at], &scored[at])))
            .collect();
        let scratch = tempfile::Builder::new()
            .prefix("secondlook-replay-")
            .tempdir()
            .map_err(EngineError::io("cannot create", &std::env::temp_dir()))?;
        let kept = options.keep.as_ref().filter(|_| seed == options.seed);
        let folder = kept.map_or_else(|| absolute(scratch.path()).join("line"), |kept| absolute(kept));
        let request = LineRequest { plan: plan.clone(), level: Level::Assist, model: None };
        let mut played = Line::create(&folder, request, player::ACTOR)?;
        played.store = Store::open(&folder)?.without_sync()?;
        match &model {
            First::Nothing => {}
            First::Package(model) => played.promote(model, player::ACTOR, "the model to begin with")?,
            First::Scores(reference) => {
                let (model, reason) = (reference.clone(), "its scores are read".to_owned());
                played.store.transact::<_, EngineError>(player::ACTOR, |tx| {
                    Ok(tx.append(&Event::ModelPromoted { model, reason, evidence: None })?)
                })?;
                played.adopt(player::ACTOR, "nothing is known yet")?;
            }
        }
        let keeps_pictures = kept.is_some() && matches!(dataset, ReplaySet::Pictures(_));
        let player = Player::new(played, options, seed, keeps_pictures, init.as_ref());
        runs.push(player.play(&stream, cancel, &mut |done, all| progress("playing", done, all))?);
    }
    let name =
        then.map_or_else(|| dataset.name(), |then| format!("{}, then {}", dataset.name(), then.name()));
    Ok(Replay { dataset: name, change_at, plan, runs })
}

/// What decides first.
enum First {
    Nothing,
    Package(Box<Model>),
    /// A model that is known by its scores alone.
    Scores(ModelRef),
}

/// The line's plan without what belongs to its cameras and disks.
fn scratch_plan(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.simulator = None;
    plan.retention.clear();
    plan.inspection.items = 1;
    plan.source.reference = None;
    // How long this machine takes beside other work says nothing of the line.
    plan.budget.latency_ms_p99 = f64::from(u32::MAX);
    plan
}

fn first_model(line: &Line, dataset: &ReplaySet, options: &ReplayOptions) -> Result<First, EngineError> {
    if let ReplaySet::Scores(path) = dataset {
        let bytes = std::fs::read(path).map_err(EngineError::io("cannot read", path))?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        return Ok(First::Scores(ModelRef { name: SCORES.into(), hash }));
    }
    if options.from_nothing {
        return Ok(First::Nothing);
    }
    let live = line.store.view().settings()?.model.map(|model| model.name);
    match options.model.as_ref().or(live.as_ref()) {
        Some(name) => Ok(First::Package(Box::new(find_model(Some(line.store.folder()), name)?))),
        None => Ok(First::Nothing),
    }
}

/// Items unit by unit, units in random order; with a share of defective units as large as asked, by
/// leaving the fewest possible out.
fn order(
    plan: &Plan,
    items: &[LabelledItem],
    prevalence: Option<f64>,
    random: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut units: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        units.entry(&item.group).or_default().push(at);
    }
    let is_bad = |unit: &Vec<usize>| unit.iter().any(|&at| crate::watch::is_bad(plan, &items[at].label));
    let (mut bad, mut good): (Vec<_>, Vec<_>) = units.into_values().partition(is_bad);
    bad.shuffle(random);
    good.shuffle(random);
    if let Some(share) = prevalence.filter(|share| (0.0..=1.0).contains(share)) {
        let all = (good.len() + bad.len()) as f64;
        let kept =
            all.min(good.len() as f64 / (1.0 - share).max(1e-9)).min(bad.len() as f64 / share.max(1e-9));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let [keep_bad, keep_good] = [kept * share, kept * (1.0 - share)].map(|n| n.round() as usize);
        bad.truncate(keep_bad);
        good.truncate(keep_good);
    }
    let mut stream: Vec<Vec<usize>> = bad.into_iter().chain(good).collect();
    stream.shuffle(random);
    stream.into_iter().flatten().collect()
}

/// Whether a look at an item errs.
fn errs(random: &mut ChaCha8Rng, reviewer: Reviewer) -> bool {
    random.random_bool(reviewer.error_rate())
}
