//! Bounds where people err, by whether they take in that their error is only known from so many pairs.

use super::{CONFIDENCE, count, interval, p, percent};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use secondlook::decide::{AnswerPairs, judge_errors, misjudge_at_worst, upper_bound};

const REPETITIONS: u64 = 10_000;
/// Units that count for the limit.
const UNITS: u64 = 1000;
const TRUE_RATE: f64 = 0.01;

/// Whether each bound of one run is below the true rate.
struct Broken {
    plain: bool,
    as_seen: bool,
    at_most: bool,
}

/// Share of runs in which the truth is above the bound.
pub fn reviewers() {
    println!("\n### Reviewers\n");
    println!(
        "{REPETITIONS} repetitions, {UNITS} units, {} of what people see of a kind wrongly decided, bounds at 95 %.\n",
        percent(TRUE_RATE)
    );
    println!(
        "| bound on | one look errs in | items answered twice | plain | error as seen | error at most | 95 % interval |"
    );
    println!("|---|---|---|---|---|---|---|");
    for is_among_decided in [false, true] {
        for error in [0.02, 0.05] {
            for pairs in [50, 200, 1000] {
                let runs: Vec<Broken> = (0..REPETITIONS)
                    .into_par_iter()
                    .map(|seed| run(&mut ChaCha8Rng::seed_from_u64(seed), is_among_decided, error, pairs))
                    .collect();
                let share =
                    |broken: fn(&Broken) -> bool| runs.iter().filter(|run| broken(run)).count() as u64;
                let [plain, as_seen, at_most] =
                    [share(|run| run.plain), share(|run| run.as_seen), share(|run| run.at_most)];
                let of_all = |n: u64| percent(n as f64 / REPETITIONS as f64);
                println!(
                    "| {} | {} | {pairs} | {} | {} | {} | {} |",
                    if is_among_decided { "what is decided (outgoing)" } else { "a kind (miss)" },
                    percent(error),
                    of_all(plain),
                    of_all(as_seen),
                    of_all(at_most),
                    interval(at_most, REPETITIONS),
                );
            }
        }
    }
}

/// On misses the worst: what people overlook is passed. On what is decided two looks, each for itself.
fn run(random: &mut ChaCha8Rng, is_among_decided: bool, error: f64, pairs: u64) -> Broken {
    let answers = AnswerPairs { pairs, disagreements: count(random, pairs, 2.0 * error * (1.0 - error)) };
    let seen_rate = if is_among_decided {
        TRUE_RATE * (1.0 - error).powi(2) + (1.0 - TRUE_RATE) * error.powi(2)
    } else {
        TRUE_RATE
    };
    let truth = if is_among_decided { TRUE_RATE } else { misjudge_at_worst(TRUE_RATE, error) };
    let errors = count(random, UNITS, seen_rate);
    let bound = |delta: f64| {
        upper_bound(errors, UNITS, p(1.0 - delta)).map_or(1.0, secondlook::domain::Probability::get)
    };
    let correct = |bound: f64, error: Option<f64>| match error {
        Some(error) if is_among_decided => judge_errors(bound, error),
        Some(error) => misjudge_at_worst(bound, error),
        None => bound,
    };
    let delta = 1.0 - CONFIDENCE;
    let at_most = answers.error_at_most(p(1.0 - delta / 2.0));
    Broken {
        plain: truth > bound(delta),
        as_seen: truth > correct(bound(delta), answers.error()),
        at_most: truth > correct(bound(delta / 2.0), at_most),
    }
}
