//! What a promise is worth: published counts, the shared δ, and the share of broken promises
//! where the true risk is known.

use super::*;
use crate::domain::Limit;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn at_95(limit: f64) -> Limit {
    Limit { limit: p(limit), confidence: p(0.95) }
}

fn units(defective: bool, score: f64, count: usize) -> Vec<EvidenceUnit> {
    vec![EvidenceUnit::known(defective, p(score)); count]
}

fn evidence(parts: &[Vec<EvidenceUnit>]) -> Evidence {
    Evidence { units: parts.concat(), ..Evidence::default() }
}

#[test]
fn miss_is_supported_exactly_from_the_published_number_of_defects_on() {
    let promise = Promise { miss: Some(at_95(0.02)), ..Promise::default() };
    let with = |n| support(&promise, &evidence(&[units(true, 0.9, n), units(false, 0.01, 50)]));
    let short = with(148);
    assert!(!short.supported && short.thresholds.pass_below.is_none());
    assert_eq!(short.limits[0].labels_needed, Some(1));
    assert_eq!(short.labels_needed(), Some(1));
    let enough = with(149);
    assert!(enough.supported && enough.supported_full);
    assert_eq!(enough.thresholds.pass_below, Some(p(0.5)), "nothing is passed above one half");
    assert_eq!(enough.thresholds.divert_above, None, "nothing is promised of overkill");
    assert_eq!((enough.limits[0].n, enough.limits[0].errors), (149, 0));
    assert!((enough.automation_rate.unwrap() - 50.0 / 199.0).abs() < 1e-12);
}

#[test]
fn the_threshold_stops_below_the_defects_that_the_limit_cannot_bear() {
    let promise = Promise { miss: Some(at_95(0.02)), ..Promise::default() };
    let found = support(&promise, &evidence(&[units(true, 0.9, 147), units(true, 0.1, 2)]));
    let at = found.thresholds.pass_below.unwrap();
    assert!(at <= p(0.1) && at > p(0.08), "{at}");
    assert_eq!(found.limits[0].errors, 0);
}

#[test]
fn two_limits_share_delta_and_need_more() {
    let promise = Promise { miss: Some(at_95(0.02)), overkill: Some(at_95(0.05)), ..Promise::default() };
    // At confidence 0.975: 183 defective units for 2 %, 72 good ones for 5 %.
    let with = |bad, good| support(&promise, &evidence(&[units(true, 0.9, bad), units(false, 0.01, good)]));
    assert!(!with(182, 72).supported);
    assert!(!with(183, 71).supported);
    let found = with(183, 72);
    assert!(found.supported && found.supported_full);
    assert_eq!(
        found.thresholds,
        Thresholds { pass_below: Some(p(0.5)), divert_above: Some(p(0.5)), ..Thresholds::default() }
    );
    let one_short = with(182, 72);
    assert!(one_short.thresholds.pass_below.is_none() && one_short.thresholds.divert_above.is_some());
}

#[test]
fn overkill_that_holds_with_a_person_between_may_not_hold_at_level_full() {
    let promise = Promise { miss: Some(at_95(0.02)), overkill: Some(at_95(0.05)), ..Promise::default() };
    let parts =
        [units(true, 0.9, 180), units(true, 0.06, 20), units(false, 0.01, 100), units(false, 0.3, 100)];
    let found = support(&promise, &evidence(&parts));
    assert!(found.supported, "{:?}", found.limits);
    assert!(!found.supported_full, "half of the good units would be diverted");
    assert!(found.thresholds.pass_below < found.thresholds.divert_above);
}

#[test]
fn only_the_lines_own_population_can_prove_the_outgoing_rate() {
    let promise = Promise { outgoing: Some(at_95(0.01)), ..Promise::default() };
    let mut seen = evidence(&[units(false, 0.01, 1000), units(true, 0.9, 10), units(true, 0.3, 10)]);
    let imported = support(&promise, &seen);
    assert!(!imported.supported && imported.labels_needed().is_none());
    assert!(imported.limits[0].why.as_ref().unwrap().contains("not a sample of the line"));
    seen.population = true;
    let own = support(&promise, &seen);
    assert!(own.supported, "{:?}", own.limits);
    assert!(
        (own.limits[0].n, own.limits[0].errors) == (1000, 0) && own.thresholds.pass_below <= Some(p(0.3))
    );

    seen.units.retain(|unit| unit.defective || unit.score > p(0.5));
    seen.units.extend(units(false, 0.01, 100));
    let few = support(&promise, &seen);
    // 199 more passed ones, of which 100 come in 120 inspections.
    assert!(!few.supported && few.limits[0].labels_needed == Some(239), "{:?}", few.limits);
}

#[test]
fn what_cannot_be_proven_says_so() {
    let hopeless = support(
        &Promise { miss: Some(at_95(0.02)), ..Promise::default() },
        &evidence(&[units(true, 0.0, 10), units(true, 0.9, 100)]),
    );
    assert_eq!(hopeless.limits[0].labels_needed, None);
    assert!(hopeless.limits[0].why.as_ref().unwrap().contains("no number of labels suffices"));
    let wrong = support(&Promise { error: Some(at_95(0.05)), ..Promise::default() }, &Evidence::default());
    assert!(!wrong.supported && wrong.limits[0].why.is_some() && wrong.automation_rate.is_none());
    let nothing = support(&Promise::default(), &evidence(&[units(false, 0.0, 1000)]));
    assert!(
        !nothing.supported && nothing.thresholds == Thresholds::default() && nothing.decisive().is_none()
    );
    let only_overkill = Promise { overkill: Some(at_95(0.05)), ..Promise::default() };
    let found = support(&only_overkill, &evidence(&[units(false, 0.01, 100)]));
    assert!(found.supported && found.thresholds.pass_below.is_none() && !found.supported_full);
}

#[test]
fn errors_among_the_accepted_are_drawn_over_coverage_also_where_they_prove_nothing() {
    // Five speakers, two of whom were misread with little doubt.
    let speakers = evidence(&[units(false, 0.1, 2), units(true, 0.2, 2), units(false, 0.6, 1)]);
    let promise = Promise { error: Some(at_95(0.05)), ..Promise::default() };
    assert!(!support(&promise, &speakers).supported);
    let curve = risk_curve(&promise, &speakers, p(0.9));
    let points: Vec<_> = curve.iter().map(|point| (point.coverage, point.risk, point.n)).collect();
    assert_eq!(points, [(0.4, 0.0, 2), (0.8, 0.5, 4)], "nothing is accepted with a doubt above one half");
    // Where they are a sample of the line, five are still next to nothing.
    let sample = support(&promise, &Evidence { population: true, ..speakers });
    assert!(!sample.supported && sample.limits[0].bound.get() > 0.5, "{sample:?}");
    assert!(sample.limits[0].labels_needed.is_none_or(|needed| needed > 30), "{sample:?}");
}

#[test]
fn a_unit_counts_once_by_its_most_dangerous_item() {
    let of = |items: &[(bool, f64)]| {
        EvidenceUnit::of_items(items.iter().map(|&(bad, s)| (bad, p(s), ClassSet::EMPTY)))
    };
    assert_eq!(of(&[(false, 0.9), (true, 0.4), (true, 0.2), (true, 0.7)]).unwrap().score, p(0.2));
    assert_eq!(of(&[(false, 0.1), (false, 0.3), (false, 0.2)]).unwrap(), EvidenceUnit::known(false, p(0.3)));
    assert!(of(&[]).is_none());
}

/// Defective units with uniform scores: the true miss rate at threshold t is t.
fn broken_share(repetitions: u32, n: usize, choose: impl Fn(&Evidence) -> Option<Probability>) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut broken = 0_u32;
    for _ in 0..repetitions {
        let units = (0..n).map(|_| EvidenceUnit::known(true, p(random.random()))).collect();
        let chosen = choose(&Evidence { units, ..Evidence::default() });
        broken += u32::from(chosen.is_some_and(|t| t > p(0.02)));
    }
    f64::from(broken) / f64::from(repetitions)
}

#[test]
fn promises_are_broken_at_most_as_often_as_stated_and_the_naive_rule_far_more_often() {
    let promise = Promise { miss: Some(at_95(0.02)), ..Promise::default() };
    let tested = broken_share(20_000, 600, |evidence| support(&promise, evidence).thresholds.pass_below);
    // The largest threshold whose observed rate keeps the limit.
    let naive = broken_share(2_000, 600, |evidence| {
        let mut scores: Vec<f64> = evidence.units.iter().map(|unit| unit.score.get()).collect();
        scores.sort_by(f64::total_cmp);
        Some(p(scores[12]))
    });
    // Three standard errors at 20,000 repetitions are 0.0046: 5 % can be told from 6 %.
    assert!(tested > 0.01 && tested <= 0.05 + 0.0046, "{tested}");
    assert!(naive > 0.4, "{naive}");
}
