//! Limits on single classes: what they count, how they share δ, and that they only ever narrow what is
//! decided.

use super::*;
use crate::domain::{ClassPromise, Limit};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn at_95(limit: f64) -> Limit {
    Limit { limit: p(limit), confidence: p(0.95) }
}

const CLASSES: [&str; 3] = ["good", "crack", "scratch"];

fn set(names: &[&str]) -> ClassSet {
    ClassSet::of_names(&CLASSES.into_iter(), names.iter().copied())
}

/// Defective units, or wrongly named ones, of these classes.
fn bad(names: &[&str], score: f64, count: usize) -> Vec<EvidenceUnit> {
    vec![EvidenceUnit::known(true, p(score)).with_classes(set(names)); count]
}

fn fine(names: &[&str], score: f64, count: usize) -> Vec<EvidenceUnit> {
    vec![EvidenceUnit::known(false, p(score)).with_classes(set(names)); count]
}

fn evidence(parts: &[Vec<EvidenceUnit>]) -> Evidence {
    let classes = CLASSES.map(str::to_owned).to_vec();
    Evidence { units: parts.concat(), classes, population: false }
}

fn and_miss(promise: &Promise, class: &str, limit: f64) -> Promise {
    let mut promise = promise.clone();
    promise.class.insert(class.into(), ClassPromise { miss: Some(at_95(limit)), error: None });
    promise
}

#[test]
fn a_limit_on_one_class_counts_the_units_of_that_class_alone() {
    let promise = and_miss(&Promise::default(), "crack", 0.02);
    let with = |cracks: usize| {
        // Scratches that would be passed break no promise on cracks.
        support(&promise, &evidence(&[bad(&["crack"], 0.9, cracks), bad(&["scratch"], 0.01, 300)]))
    };
    let none = with(0);
    assert_eq!((none.limits[0].n, none.limits[0].labels_needed), (0, Some(149)));
    let why = none.missing().unwrap();
    assert!(why.contains("149 more defective units of class crack needed"), "{why}");
    let short = with(148);
    assert!(!short.supported && short.thresholds.pass_below.is_none());
    assert!(short.missing().unwrap().contains("; 1 more defective units of class crack needed"));
    let enough = with(149);
    assert!(enough.supported && enough.thresholds.pass_below == Some(p(0.5)));
    assert_eq!((enough.limits[0].n, enough.limits[0].class.as_deref()), (149, Some("crack")));
    let json = serde_json::to_value(&enough.limits).unwrap();
    assert_eq!(json[0]["class"], "crack");
    // A unit with two kinds of defects counts for both.
    let both = and_miss(&promise, "scratch", 0.02);
    assert!(support(&both, &evidence(&[bad(&["crack", "scratch"], 0.9, 183)])).supported);
    assert!(!support(&both, &evidence(&[bad(&["crack", "scratch"], 0.9, 182)])).supported);
}

#[test]
fn limits_of_classes_share_delta_with_those_of_the_line() {
    let promise = and_miss(&Promise { miss: Some(at_95(0.02)), ..Promise::default() }, "crack", 0.02);
    let with = |cracks, scratches| {
        support(&promise, &evidence(&[bad(&["crack"], 0.9, cracks), bad(&["scratch"], 0.9, scratches)]))
    };
    // At confidence 0.975 it takes 183, of any class for the line.
    let found = with(183, 0);
    assert!(found.supported && found.limits.iter().all(|limit| limit.tested_confidence == p(0.975)));
    let found = with(182, 40);
    assert!(!found.supported && found.thresholds.pass_below.is_none());
    assert_eq!(found.decisive().unwrap().class.as_deref(), Some("crack"));
    assert_eq!(found.labels_needed(), Some(1));
    assert!(serde_json::to_value(&found.limits[0]).unwrap().get("class").is_none());
    // 149 cracks and 34 scratches would do for the line; cracks alone lack 34.
    assert_eq!(with(149, 34).labels_needed(), Some(34));
}

#[test]
fn the_pass_threshold_satisfies_the_strictest_class() {
    let line = Promise { miss: Some(at_95(0.1)), ..Promise::default() };
    let seen = evidence(&[
        bad(&["crack"], 0.9, 190),
        bad(&["crack"], 0.1, 6),
        bad(&["scratch"], 0.9, 600),
        bad(&["scratch"], 0.2, 30),
    ]);
    let loose = support(&line, &seen);
    assert_eq!(loose.thresholds.pass_below, Some(p(0.5)), "36 of 826 are far below one in ten");
    let strict = support(&and_miss(&line, "crack", 0.02), &seen);
    assert!(strict.supported, "{:?}", strict.limits);
    let at = strict.thresholds.pass_below.unwrap();
    assert!(at <= p(0.1), "six cracks in 196 may not pass: {at}");
    // Both are counted where the threshold stands in the end.
    assert!(strict.limits.iter().all(|limit| limit.threshold == Some(at) && limit.errors == 0));
}

#[test]
fn what_a_package_does_not_say_supports_no_limit_on_a_class_and_is_named() {
    let promise = and_miss(&Promise { miss: Some(at_95(0.02)), ..Promise::default() }, "crack", 0.02);
    let silent = support(&promise, &evidence(&[bad(&[], 0.9, 400)]));
    // The limit of the line holds by itself, and waits for the other on the same threshold.
    assert!(silent.limits[0].labels_needed == Some(0) && !silent.limits[0].supported);
    assert!(silent.limits[0].why.as_ref().unwrap().contains("another limit on the same threshold"));
    let why = silent.missing().unwrap();
    assert!(why.contains("183 more defective units of class crack"), "{why}");
    assert!(why.contains("does not say of which classes its 400 defective units are"), "{why}");
    let unknown = Evidence { classes: Vec::new(), ..evidence(&[bad(&["crack"], 0.9, 400)]) };
    assert!(!support(&promise, &unknown).supported, "nobody knows what the places stand for");
}

#[test]
fn one_accept_threshold_satisfies_the_limits_on_every_name() {
    let error = |limit| Promise { error: Some(at_95(limit)), ..Promise::default() };
    let line = error(0.1);
    let mut by_class = line.clone();
    by_class.class.insert("crack".into(), ClassPromise { miss: None, error: Some(at_95(0.05)) });
    // Named crack and rather sure: often wrong. Other names are right up to any doubt.
    let mut seen = evidence(&[
        fine(&["good"], 0.01, 2000),
        fine(&["crack"], 0.01, 200),
        fine(&["scratch"], 0.3, 2000),
        bad(&["crack"], 0.2, 30),
    ]);
    assert!(!support(&line, &seen).supported, "imported sets say nothing of what comes");
    seen.population = true;
    assert_eq!(support(&line, &seen).thresholds.accept_below, Some(p(0.5)));
    let strict = support(&by_class, &seen);
    assert!(strict.supported, "{:?}", strict.limits);
    let at = strict.thresholds.accept_below.unwrap();
    assert!(at <= p(0.2) && at > p(0.1), "{at}");
    assert_eq!((strict.limits[1].n, strict.limits[1].errors), (200, 0));
    // Too few of one name shut the threshold for all, and say which.
    seen.units.retain(|unit| !unit.classes.meets(set(&["crack"])));
    let none = support(&by_class, &seen);
    assert!(none.thresholds.accept_below.is_none() && none.labels_needed().is_none());
    assert!(none.missing().unwrap().starts_with("error of class crack: nothing was scored low enough"));
}

/// Units of a line with scores of some use, on which a limit may hold or not.
fn random_evidence(random: &mut ChaCha8Rng) -> Evidence {
    let steepness = random.random_range(0.5..6.0);
    let share = random.random_range(0.05..0.5);
    let is_checked = random.random_bool(0.5);
    let units = (0..random.random_range(50..900)).map(|_| {
        let defective = random.random_bool(share);
        let score: f64 = random.random::<f64>().powf(steepness);
        let names = [&["crack"][..], &["scratch"], &["crack", "scratch"]][random.random_range(0..3)];
        let score = p(if defective { 1.0 - score } else { score });
        let unit = EvidenceUnit::known(defective, score).with_classes(set(names));
        // Checks of weight 4 beside answers of weight 1, as on a line.
        match (is_checked, random.random_bool(0.3)) {
            (false, _) => unit,
            (true, true) => EvidenceUnit { origin: Origin::Audit, weight: 4.0, stake: 1.0, ..unit },
            (true, false) => EvidenceUnit { origin: Origin::Reviewed, stake: 0.25, ..unit },
        }
    });
    Evidence { population: true, ..evidence(&[units.collect()]) }
}

/// Adds a limit of the kind with this number, where there is none yet.
fn add(promise: &mut Promise, kind: usize, limit: Limit) {
    match kind {
        0 => promise.miss = promise.miss.or(Some(limit)),
        1 => promise.outgoing = promise.outgoing.or(Some(limit)),
        2 => promise.overkill = promise.overkill.or(Some(limit)),
        3 => promise.error = promise.error.or(Some(limit)),
        _ => {
            let class = ["crack", "scratch"][kind % 2];
            let limits = promise.class.entry(class.into()).or_default();
            let place = if kind < 6 { &mut limits.miss } else { &mut limits.error };
            *place = place.or(Some(limit));
        }
    }
}

/// Whatever is promised beside: what was not decided alone before is not decided alone then. Only the first
/// limit on what a threshold decides opens that.
#[test]
fn another_limit_of_any_kind_never_widens_a_threshold() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut narrowed, mut kept) = ([0; 3], [0; 3]);
    for _ in 0..1500 {
        let seen = random_evidence(&mut random);
        let mut without = Promise::default();
        for _ in 0..random.random_range(1..4) {
            let limit = at_95(random.random_range(0.02..0.3));
            add(&mut without, random.random_range(0..8), limit);
        }
        let mut with = without.clone();
        add(&mut with, random.random_range(0..8), at_95(random.random_range(0.02..0.3)));
        if with.stated().len() == without.stated().len() {
            continue;
        }
        let promises = |wanted: fn(LimitKind) -> bool| without.stated().iter().any(|one| wanted(one.kind));
        let [loose, strict] = [&without, &with].map(|promise| support(promise, &seen).thresholds);
        let mut note = |place: usize, loose: Option<Probability>, strict: Option<Probability>| {
            narrowed[place] += i32::from(strict != loose);
            kept[place] += i32::from(strict.is_some() && strict == loose);
        };
        if promises(LimitKind::is_on_escapes) {
            assert!(strict.pass_below <= loose.pass_below, "{with:?}: {strict:?} {loose:?}");
            note(0, loose.pass_below, strict.pass_below);
        }
        if promises(|kind| kind == LimitKind::Error) {
            assert!(strict.accept_below <= loose.accept_below, "{with:?}: {strict:?} {loose:?}");
            note(1, loose.accept_below, strict.accept_below);
        }
        if promises(|kind| kind == LimitKind::Overkill) {
            let is_within =
                strict.divert_above.is_none_or(|above| loose.divert_above.is_some_and(|at| at <= above));
            assert!(is_within, "{with:?}: {strict:?} {loose:?}");
            note(2, loose.divert_above, strict.divert_above);
        }
    }
    assert!(narrowed.iter().chain(&kept).all(|&count| count > 15), "{narrowed:?} {kept:?}");
}
