//! Whether promises are kept, by simulation where the truth is known: thresholds by each method, the
//! estimate of escapes, the alarm of a broken promise. Prints the tables of `docs/PROMISES.md`.
//!
//! `cargo bench --profile dev --bench promise`; `-- PART` runs one of `thresholds`, `looks`, `escapes`,
//! `alarm`, `classes`, `reviewers`, `resplits` (with a file only); `-- SCORES.jsonl` takes the population
//! from predictions of `evaluate` on units of the line instead of from a formula. Nothing here is timed;
//! seeds are fixed, and the numbers are the same on every machine.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "simulated counts are small and positive"
)]

mod classes;
mod reviewers;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use secondlook::decide::{
    Answers, AuditBudget, Evidence, EvidenceUnit, Expected, Method, Origin, allocate, candidates,
    capital_above, estimate, lower_bound, support_by, upper_bound,
};
use secondlook::domain::{ClassSet, Limit, Probability, Promise};
use std::collections::BTreeMap;
use std::path::Path;

/// Enough to tell 5 % from 6 %: the standard error is 0.3 %.
const REPETITIONS: u64 = 5000;
const LIMITS: [f64; 4] = [0.005, 0.01, 0.02, 0.05];
const CONFIDENCE: f64 = 0.95;

fn p(value: f64) -> Probability {
    Probability::saturating(value)
}

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let population = match arguments.iter().find(|arg| Path::new(arg).is_file()) {
        Some(path) => Population::read(path),
        None => Population::formula(),
    };
    let parts: Vec<&String> = arguments.iter().filter(|arg| !Path::new(arg).is_file()).collect();
    let runs = |part: &str| parts.is_empty() || parts.iter().any(|name| *name == part);
    if runs("thresholds") {
        thresholds(&population);
    }
    if runs("looks") {
        looks(&population);
    }
    if parts.iter().any(|name| *name == "resplits") {
        resplits(&population);
    }
    if runs("escapes") {
        escapes();
    }
    if runs("alarm") {
        alarm();
    }
    if runs("classes") {
        classes::classes();
    }
    if runs("reviewers") {
        reviewers::reviewers();
    }
}

/// Units with known truth; evidence is drawn from it with replacement, so that every rate of the
/// population is the true one.
struct Population {
    name: String,
    units: Vec<(f64, bool)>,
    /// Which of them belong together.
    groups: Vec<String>,
    /// For each candidate threshold: share below, outgoing and miss rate.
    truth: Vec<[f64; 3]>,
}

impl Population {
    fn of(name: String, units: Vec<(f64, bool)>) -> Self {
        let defective = units.iter().filter(|unit| unit.1).count().max(1) as f64;
        let truth = candidates()
            .into_iter()
            .map(|t| {
                let below = units.iter().filter(|unit| unit.0 < t.get());
                let (mut n, mut bad) = (0.0, 0.0);
                for unit in below {
                    n += 1.0;
                    bad += f64::from(u8::from(unit.1));
                }
                [n / units.len() as f64, if n > 0.0 { bad / n } else { 0.0 }, bad / defective]
            })
            .collect();
        Self { name, units, groups: Vec::new(), truth }
    }

    /// A calibrated model of middling quality: log-odds are normal, and a unit is defective with exactly
    /// the probability that its score says.
    fn formula() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let units = (0..400_000)
            .map(|_| {
                let normal: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
                let score = 1.0 / (1.0 + (-(-4.4 + 2.3 * normal)).exp());
                (score, random.random::<f64>() < score)
            })
            .collect();
        Self::of("a calibrated score model".into(), units)
    }

    /// Predictions that `evaluate --predictions` has written.
    fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let (units, groups) = text
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let good = row["probabilities"]["good"].as_f64().unwrap();
                let group = row["group"].as_str().unwrap_or_default().to_owned();
                ((1.0 - good, row["defective"].as_bool().unwrap()), group)
            })
            .unzip();
        Self { groups, ..Self::of(format!("scores of {path}"), units) }
    }

    fn draw(&self, random: &mut ChaCha8Rng, n: usize) -> Vec<EvidenceUnit> {
        (0..n)
            .map(|_| {
                let (score, defective) = self.units[random.random_range(0..self.units.len())];
                EvidenceUnit { origin: Origin::Reviewed, ..EvidenceUnit::known(defective, p(score)) }
            })
            .collect()
    }

    fn at(&self, threshold: Option<Probability>) -> [f64; 3] {
        let Some(t) = threshold else { return [0.0; 3] };
        let index = candidates().iter().position(|candidate| *candidate >= t).unwrap_or_default();
        self.truth[index]
    }

    /// The most that may be passed where the truth is known.
    fn oracle(&self, kind: Kind, limit: f64) -> f64 {
        let half = candidates().len() / 2;
        let keeps = self.truth[..=half].iter().filter(|truth| truth[kind.place()] <= limit);
        keeps.map(|truth| truth[0]).fold(0.0, f64::max)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Outgoing,
    Miss,
}

impl Kind {
    fn place(self) -> usize {
        match self {
            Self::Outgoing => 1,
            Self::Miss => 2,
        }
    }

    fn promise(self, limit: f64) -> Promise {
        let limit = Some(Limit { limit: p(limit), confidence: p(CONFIDENCE) });
        match self {
            Self::Outgoing => Promise { outgoing: limit, ..Promise::default() },
            Self::Miss => Promise { miss: limit, ..Promise::default() },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Miss => "miss",
        }
    }
}

/// How a threshold is chosen.
#[derive(Clone, Copy)]
enum Rule {
    Ours(Method),
    /// The loosest candidate that passes its own test at δ over the number of candidates.
    SplitDelta,
    /// The loosest threshold whose observed rate keeps the limit.
    Naive,
}

const RULES: [(&str, Rule); 5] = [
    ("exact, fixed sequence", Rule::Ours(Method::Exact)),
    ("betting, fixed sequence", Rule::Ours(Method::Betting)),
    ("gamma, fixed sequence", Rule::Ours(Method::Gamma)),
    ("exact, δ split among candidates", Rule::SplitDelta),
    ("naive: observed rate ≤ limit", Rule::Naive),
];

fn choose(rule: Rule, kind: Kind, limit: f64, evidence: &Evidence) -> Option<Probability> {
    if let Rule::Ours(method) = rule {
        return support_by(method, 1.0, &kind.promise(limit), evidence).thresholds.pass_below;
    }
    let all = candidates();
    let half = all.len() / 2;
    let defective = evidence.units.iter().filter(|unit| unit.defective).count() as u64;
    let confidence = p(1.0 - (1.0 - CONFIDENCE) / (half + 1) as f64);
    all[..=half].iter().rev().copied().find(|t| {
        let below = evidence.units.iter().filter(|unit| unit.score < *t);
        let (mut n, mut errors) = (0_u64, 0_u64);
        for unit in below {
            n += 1;
            errors += u64::from(unit.defective);
        }
        let n = if kind == Kind::Miss { defective } else { n };
        match rule {
            Rule::Naive => n > 0 && errors as f64 <= limit * n as f64,
            _ => n > 0 && upper_bound(errors, n, confidence).is_ok_and(|bound| bound <= p(limit)),
        }
    })
}

/// Share of broken promises and mean share passed.
fn thresholds(population: &Population) {
    let prevalence =
        population.units.iter().filter(|unit| unit.1).count() as f64 / population.units.len() as f64;
    println!("\n### Thresholds: {}, {:.1} % defective\n", population.name, 100.0 * prevalence);
    println!(
        "{REPETITIONS} repetitions; broken: the true rate at the chosen threshold is above the limit.\n"
    );
    println!("| limit | evidence | rule | broken | 95 % interval | passed | possible |");
    println!("|---|---|---|---|---|---|---|");
    for kind in [Kind::Outgoing, Kind::Miss] {
        for limit in LIMITS {
            let n = if limit < 0.01 { 6000 } else { 3000 };
            for (name, rule) in RULES {
                let found: Vec<[f64; 3]> = (0..REPETITIONS)
                    .into_par_iter()
                    .map(|seed| {
                        let mut random = ChaCha8Rng::seed_from_u64(seed);
                        let units = population.draw(&mut random, n);
                        let evidence = Evidence { units, population: true, ..Evidence::default() };
                        population.at(choose(rule, kind, limit, &evidence))
                    })
                    .collect();
                let broken = found.iter().filter(|truth| truth[kind.place()] > limit).count() as u64;
                let passed = found.iter().map(|truth| truth[0]).sum::<f64>() / found.len() as f64;
                println!(
                    "| {} {} | {n} | {name} | {} | {} | {} | {} |",
                    kind.name(),
                    percent(limit),
                    percent(broken as f64 / REPETITIONS as f64),
                    interval(broken, REPETITIONS),
                    percent(passed),
                    percent(population.oracle(kind, limit)),
                );
            }
        }
    }
}

/// Half of the units choose a threshold, the other half shows what it does: counting units, and as if
/// every photograph were one. Halves overlap from split to split: descriptive only.
fn resplits(population: &Population) {
    const SPLITS: u64 = 1000;
    let mut groups: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
    for (unit, group) in population.units.iter().zip(&population.groups) {
        groups.entry(group).or_default().push(*unit);
    }
    let groups: Vec<Vec<(f64, bool)>> = groups.into_values().collect();
    println!(
        "\n### Re-splits: {}, {} photographs of {} units\n",
        population.name,
        population.units.len(),
        groups.len()
    );
    println!("| outgoing | counted | supported | above the limit on the other half | passed there |");
    println!("|---|---|---|---|---|");
    for limit in [0.01, 0.05, 0.1] {
        for counts_units in [true, false] {
            let found: Vec<Option<(bool, f64)>> = (0..SPLITS)
                .into_par_iter()
                .map(|seed| {
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    let (mut choosing, mut other) = (Vec::new(), Vec::new());
                    for group in &groups {
                        if random.random_bool(0.5) { choosing.push(group) } else { other.push(group) }
                    }
                    let items = |group: &Vec<(f64, bool)>| {
                        group.iter().map(|&(score, bad)| (bad, p(score))).collect::<Vec<_>>()
                    };
                    let of_group = |items: Vec<(bool, Probability)>| {
                        EvidenceUnit::of_items(items.into_iter().map(|(bad, s)| (bad, s, ClassSet::EMPTY)))
                    };
                    let units = if counts_units {
                        choosing.iter().filter_map(|group| of_group(items(group))).collect()
                    } else {
                        let all = choosing.iter().flat_map(|group| items(group));
                        all.map(|(bad, score)| EvidenceUnit::known(bad, score)).collect()
                    };
                    let evidence = Evidence { units, population: true, ..Evidence::default() };
                    let promise = Kind::Outgoing.promise(limit);
                    let t = support_by(Method::Exact, 1.0, &promise, &evidence).thresholds.pass_below?;
                    let photographs: Vec<(f64, bool)> = other.into_iter().flatten().copied().collect();
                    let passed = photographs.iter().filter(|unit| unit.0 < t.get()).count();
                    let bad = photographs.iter().filter(|unit| unit.0 < t.get() && unit.1).count();
                    Some((bad as f64 > limit * passed as f64, passed as f64 / photographs.len() as f64))
                })
                .collect();
            let supported: Vec<(bool, f64)> = found.into_iter().flatten().collect();
            let n = supported.len().max(1) as f64;
            println!(
                "| {} | {} | {} | {} | {} |",
                percent(limit),
                if counts_units { "units" } else { "photographs, as if independent" },
                percent(supported.len() as f64 / SPLITS as f64),
                percent(supported.iter().filter(|run| run.0).count() as f64 / n),
                percent(supported.iter().map(|run| run.1).sum::<f64>() / n),
            );
        }
    }
}

fn interval(k: u64, n: u64) -> String {
    let confidence = p(0.975);
    let (low, high) = (lower_bound(k, n, confidence), upper_bound(k, n, confidence));
    format!(
        "{} to {}",
        percent(low.map_or(0.0, Probability::get)),
        percent(high.map_or(1.0, Probability::get))
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Looks at growing evidence, thresholds in force from then on, checks of what passes.
const LOOKS: usize = 12;

/// The evidence grows while people look: at first everything is reviewed, later what is passed is only
/// checked at random. Broken: at any look.
fn looks(population: &Population) {
    let (limit, step, repetitions) = (0.02, 400, 2000_u64);
    println!("\n### Growing evidence, looked at {LOOKS} times: {}\n", population.name);
    println!(
        "Outgoing ≤ {} at 95 %; {step} inspections between two looks; what is passed is checked with \
         probability 0.1 (0.05 far below the threshold); {repetitions} repetitions.\n",
        percent(limit)
    );
    println!("| rule | broken at any look | 95 % interval | passed in the end |");
    println!("|---|---|---|---|");
    for method in [Method::Exact, Method::Gamma, Method::Betting] {
        let found: Vec<(bool, f64)> = (0..repetitions)
            .into_par_iter()
            .map(|seed| {
                let mut random = ChaCha8Rng::seed_from_u64(1_000_000 + seed);
                let mut evidence = Evidence::default();
                let (mut threshold, mut is_broken) = (None, false);
                for _ in 0..LOOKS {
                    for unit in population.draw(&mut random, step) {
                        evidence.units.extend(seen(&mut random, unit, threshold));
                    }
                    threshold = support_by(method, 1.0, &Kind::Outgoing.promise(limit), &evidence)
                        .thresholds
                        .pass_below;
                    is_broken |= population.at(threshold)[1] > limit;
                }
                (is_broken, population.at(threshold)[0])
            })
            .collect();
        let broken = found.iter().filter(|run| run.0).count() as u64;
        let passed = found.iter().map(|run| run.1).sum::<f64>() / found.len() as f64;
        let name = if method == Method::Exact { "exact, weights ignored" } else { method.as_str() };
        println!(
            "| {name} | {} | {} | {} |",
            percent(broken as f64 / repetitions as f64),
            interval(broken, repetitions),
            percent(passed)
        );
    }
}

/// What people see of a unit under a threshold.
fn seen(random: &mut ChaCha8Rng, unit: EvidenceUnit, threshold: Option<Probability>) -> Option<EvidenceUnit> {
    let least = if threshold.is_some() { 0.05 } else { 1.0 };
    let Some(t) = threshold.filter(|t| unit.score < *t) else {
        return Some(EvidenceUnit { stake: least, ..unit });
    };
    let probability = if unit.score.get() < t.get() / 8.0 { 0.05 } else { 0.1 };
    random.random_bool(probability).then(|| EvidenceUnit {
        weight: 1.0 / probability,
        stake: least / probability,
        origin: Origin::Audit,
        ..unit
    })
}

/// How many of `n` happen with probability `q`: by the gaps between them.
fn count(random: &mut ChaCha8Rng, n: u64, q: f64) -> u64 {
    if q <= 0.0 || n == 0 {
        return 0;
    }
    if q >= 1.0 {
        return n;
    }
    let (mut at, mut k) = (0_u64, 0);
    loop {
        let gap = (1.0 - random.random::<f64>()).ln() / (-q).ln_1p();
        at = at.saturating_add(gap as u64).saturating_add(1);
        if at > n {
            return k;
        }
        k += 1;
    }
}

/// Coverage and width of the interval for escapes.
fn escapes() {
    const STREAMS: u64 = 20_000;
    const PASSED: u64 = 20_000;
    const SHARE: f64 = 0.05;
    // Share of passed units near the threshold, and of escapes that lie there.
    const NEAR: f64 = 0.1;
    println!("\n### Estimate of escapes\n");
    println!(
        "{STREAMS} streams of {PASSED} passed units, {} of them checked, {} near the threshold; nominal 95 %. \
         Width against uniform checks of the same number.\n",
        percent(SHARE),
        percent(NEAR)
    );
    println!(
        "| true rate | escapes near the threshold | checks | covered | 95 % interval | mean width | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    for rate in [0.0, 0.001, 0.01, 0.05] {
        for near_share in [0.9, 0.1, 0.0] {
            let rates = [rate * (1.0 - near_share) / (1.0 - NEAR), rate * near_share / NEAR];
            let expected = [
                Expected { share: 1.0 - NEAR, errors: 0.002 * 0.1 / (1.0 - NEAR) },
                Expected { share: NEAR, errors: 0.002 * 0.9 / NEAR },
            ];
            let stratified = allocate(AuditBudget { share: SHARE, floor: 0.7 }, &expected);
            let mut uniform_width = 0.0;
            for (name, draws) in [("uniform", [SHARE; 2]), ("stratified", [stratified[0], stratified[1]])] {
                let found: Vec<(bool, f64)> = (0..STREAMS)
                    .into_par_iter()
                    .map(|seed| {
                        let mut random = ChaCha8Rng::seed_from_u64(seed);
                        stream(&mut random, rate, rates, draws, [1.0 - NEAR, NEAR].map(|w| w * PASSED as f64))
                    })
                    .collect();
                let covered = found.iter().filter(|run| run.0).count() as u64;
                let width = found.iter().map(|run| run.1).sum::<f64>() / found.len() as f64;
                if name == "uniform" {
                    uniform_width = width;
                }
                println!(
                    "| {} | {} | {name} | {:.2} % | {} | {:.3} % | {:.2} |",
                    percent(rate),
                    percent(near_share),
                    100.0 * covered as f64 / STREAMS as f64,
                    interval(covered, STREAMS),
                    100.0 * width,
                    width / uniform_width
                );
            }
        }
    }
}

/// Whether the interval of one stream covers the true rate, and how wide it is.
fn stream(
    random: &mut ChaCha8Rng,
    rate: f64,
    rates: [f64; 2],
    draws: [f64; 2],
    units: [f64; 2],
) -> (bool, f64) {
    let mut answers = Vec::new();
    for ((rate, draw), units) in rates.into_iter().zip(draws).zip(units) {
        let units = units.round() as u64;
        let escaped = count(random, units, rate.min(1.0));
        let errors = count(random, escaped, draw);
        let right = count(random, units - escaped, draw);
        answers.push(Answers {
            weight: 1.0 / draw,
            stake: 1.0,
            n: (right + errors) as f64,
            errors: errors as f64,
        });
    }
    let found = estimate(&answers, units[0] + units[1], p(0.95));
    found.map_or((false, 1.0), |found| ((found.low..=found.high).contains(&rate), found.high - found.low))
}

/// The alarm of a broken promise: false alarms, and checks until it is noticed.
fn alarm() {
    const RUNS: u64 = 4000;
    const LOOKS: u64 = 100_000;
    const LIMIT: f64 = 0.01;
    println!("\n### Alarm of a broken promise\n");
    println!(
        "Outgoing ≤ {} with 5 % false alarms, looked at after every check; {RUNS} runs.\n",
        percent(LIMIT)
    );
    println!(
        "| checks | false alarms in {LOOKS} checks at the limit | 95 % interval | checks to notice 5 %: median | 90 % of runs |"
    );
    println!("|---|---|---|---|---|");
    // Near the threshold 4 times as often; 90 % of escapes lie there.
    let kinds =
        [Watched { share: 0.9, stake: 1.0, escapes: 0.1 }, Watched { share: 0.1, stake: 0.25, escapes: 0.9 }];
    let uniform = [Watched { share: 1.0, stake: 1.0, escapes: 1.0 }];
    for (name, kinds, error) in [
        ("uniform", &uniform[..], 0.0),
        ("stratified", &kinds[..], 0.0),
        ("uniform, people err in 2 %", &uniform[..], 0.02),
        ("uniform, people err in 5 %", &uniform[..], 0.05),
    ] {
        let run = |seed: u64, rate: f64, looks: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            noticed(&mut random, kinds, rate, error, LIMIT, looks)
        };
        let false_alarms =
            (0..RUNS).into_par_iter().filter(|seed| run(*seed, LIMIT, LOOKS).is_some()).count() as u64;
        let mut delays: Vec<u64> =
            (0..RUNS).into_par_iter().map(|seed| run(seed, 0.05, LOOKS).unwrap_or(LOOKS)).collect();
        delays.sort_unstable();
        println!(
            "| {name} | {} | {} | {} | {} |",
            percent(false_alarms as f64 / RUNS as f64),
            interval(false_alarms, RUNS),
            delays[delays.len() / 2],
            delays[delays.len() * 9 / 10],
        );
    }
}

/// A kind of passed unit: its share, its stake, its share of escapes.
#[derive(Clone, Copy)]
struct Watched {
    share: f64,
    stake: f64,
    escapes: f64,
}

/// Checks until the alarm, if it comes. An escape counts after two looks that both see it, a false alarm
/// takes two as well.
fn noticed(
    random: &mut ChaCha8Rng,
    kinds: &[Watched],
    rate: f64,
    error: f64,
    limit: f64,
    looks: u64,
) -> Option<u64> {
    let mut answers: Vec<Answers> =
        kinds.iter().map(|kind| Answers { weight: 1.0, stake: kind.stake, n: 0.0, errors: 0.0 }).collect();
    // A unit of a kind is checked in proportion to its share over its stake.
    let drawn: f64 = kinds.iter().map(|kind| kind.share / kind.stake).sum();
    let (seen, imagined) = ((1.0 - error) * (1.0 - error), error * error);
    for look in 1..=looks {
        let mut pick = random.random::<f64>() * drawn;
        let at = kinds
            .iter()
            .position(|kind| {
                pick -= kind.share / kind.stake;
                pick < 0.0
            })
            .unwrap_or(kinds.len() - 1);
        let escapes = rate * kinds[at].escapes / kinds[at].share;
        let is_error = random.random::<f64>() < escapes * seen + (1.0 - escapes) * imagined;
        answers[at].n += 1.0;
        // Capital rises with errors only.
        if is_error {
            answers[at].errors += 1.0;
            if capital_above(&answers, limit) >= 20.0 {
                return Some(look);
            }
        }
    }
    None
}
