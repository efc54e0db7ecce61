//! Limits on single classes, where the true rate of each class is known: how often it is above its limit.

use super::{CONFIDENCE, interval, p, percent};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use secondlook::decide::{Evidence, EvidenceUnit, Method, Origin, candidates, support_by};
use secondlook::domain::{ClassPromise, ClassSet, Limit, Probability, Promise, Thresholds};

const REPETITIONS: u64 = 2000;
/// Units of evidence.
const UNITS: usize = 6000;
/// Enough that its own rates are the true ones to a tenth of a point.
const POPULATION: usize = 400_000;
const CLASSES: [&str; 3] = ["good", "crack", "scratch"];

/// Units with their truth; evidence is drawn with replacement.
struct Classes {
    units: Vec<EvidenceUnit>,
    /// Whether the limits are on misses (else on wrong names among those accepted).
    is_miss: bool,
}

fn set(class: usize) -> ClassSet {
    ClassSet::of_names(&CLASSES.into_iter(), [CLASSES[class]])
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

impl Classes {
    /// A tenth is defective; scratches, a third of them, are much harder to see than cracks.
    fn of_defects() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let units = (0..POPULATION)
            .map(|_| {
                let class = match random.random::<f64>() {
                    u if u < 0.9 => 0,
                    u if u < 0.967 => 1,
                    _ => 2,
                };
                let log_odds = [-3.5, 3.0, 0.5][class] + [1.5, 1.8, 2.0][class] * normal(&mut random);
                let score = p(1.0 / (1.0 + (-log_odds).exp()));
                let classes = if class == 0 { ClassSet::EMPTY } else { set(class) };
                reviewed(EvidenceUnit::known(class != 0, score).with_classes(classes))
            })
            .collect();
        Self { units, is_miss: true }
    }

    /// Names that are as often wrong as they are doubtful, but for scratches, which are four times as often.
    fn of_names() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let units = (0..POPULATION)
            .map(|_| {
                let class = match random.random::<f64>() {
                    u if u < 0.6 => 0,
                    u if u < 0.85 => 1,
                    _ => 2,
                };
                let doubt = 1.0 / (1.0 + (4.0 - 1.6 * normal(&mut random)).exp());
                let wrong = (doubt * [1.0, 1.0, 4.0][class]).min(1.0);
                let is_wrong = random.random::<f64>() < wrong;
                reviewed(EvidenceUnit::known(is_wrong, p(doubt)).with_classes(set(class)))
            })
            .collect();
        Self { units, is_miss: false }
    }

    /// With what each promises of the whole line and of the two classes.
    fn promises(&self) -> [(&'static str, Promise); 3] {
        let limit = |limit: f64| Some(Limit { limit: p(limit), confidence: p(CONFIDENCE) });
        let mut line = Promise::default();
        let mut both = Promise::default();
        let place = if self.is_miss { &mut line.miss } else { &mut line.error };
        *place = limit(LINE);
        for class in &CLASSES[1..] {
            let of_class = limit(CLASS);
            let of_class = if self.is_miss {
                ClassPromise { miss: of_class, error: None }
            } else {
                ClassPromise { miss: None, error: of_class }
            };
            both.class.insert((*class).into(), of_class);
        }
        let all = Promise { class: both.class.clone(), ..line.clone() };
        [("on the line", line), ("on each class", both), ("on both", all)]
    }

    /// True rate of each class at every candidate, and the share that is decided.
    fn truth(&self) -> Vec<[f64; 3]> {
        let rates = |t: Probability| {
            let below = |unit: &&EvidenceUnit| unit.score < t;
            let decided = self.units.iter().filter(below).count() as f64 / self.units.len() as f64;
            let of = |class: usize| {
                let all = || self.units.iter().filter(|unit| unit.classes.meets(set(class)));
                let (errors, of) = if self.is_miss {
                    (all().filter(below).count(), all().count())
                } else {
                    (all().filter(below).filter(|unit| unit.defective).count(), all().filter(below).count())
                };
                errors as f64 / of.max(1) as f64
            };
            [decided, of(1), of(2)]
        };
        candidates().into_par_iter().map(rates).collect()
    }
}

const fn reviewed(unit: EvidenceUnit) -> EvidenceUnit {
    EvidenceUnit { origin: Origin::Reviewed, ..unit }
}

/// Promised of all units together, and of each class.
const LINE: f64 = 0.05;
const CLASS: f64 = 0.08;

/// Share of runs in which a class is above its limit in truth, by what is promised and how it is tested.
pub fn classes() {
    println!("\n### Limits on classes\n");
    println!(
        "{REPETITIONS} repetitions, {UNITS} units; line ≤ {}, class ≤ {}.\n",
        percent(LINE),
        percent(CLASS)
    );
    println!("| limits | promised | method | cracks above | scratches above | 95 % interval | decided |");
    println!("|---|---|---|---|---|---|---|");
    for population in [Classes::of_defects(), Classes::of_names()] {
        let (truth, kind) = (population.truth(), if population.is_miss { "miss" } else { "error" });
        for (what, promise) in population.promises() {
            for method in [Method::Exact, Method::Betting] {
                let runs: Vec<[f64; 3]> = (0..REPETITIONS)
                    .into_par_iter()
                    .map(|seed| run(&population, &truth, &promise, method, seed))
                    .collect();
                let above = |class: usize| runs.iter().filter(|run| run[class] > CLASS).count() as u64;
                let decided = runs.iter().map(|run| run[0]).sum::<f64>() / REPETITIONS as f64;
                println!(
                    "| {kind} | {what} | {} | {} | {} | {} | {} |",
                    method.as_str(),
                    percent(above(1) as f64 / REPETITIONS as f64),
                    percent(above(2) as f64 / REPETITIONS as f64),
                    interval(above(2), REPETITIONS),
                    percent(decided),
                );
            }
        }
    }
}

/// What is true where the thresholds of one draw of evidence decide.
fn run(population: &Classes, truth: &[[f64; 3]], promise: &Promise, method: Method, seed: u64) -> [f64; 3] {
    let mut random = ChaCha8Rng::seed_from_u64(2_000_000 + seed);
    let units =
        (0..UNITS).map(|_| population.units[random.random_range(0..population.units.len())]).collect();
    let evidence = Evidence { units, classes: CLASSES.map(str::to_owned).to_vec(), population: true };
    let Thresholds { pass_below, accept_below, .. } = support_by(method, 1.0, promise, &evidence).thresholds;
    let Some(t) = pass_below.or(accept_below) else { return [0.0; 3] };
    truth[candidates().iter().position(|candidate| *candidate >= t).unwrap_or_default()]
}
