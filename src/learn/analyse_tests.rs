//! Slices, confusion and advice on rows that were made by hand.

use super::*;
use crate::domain::{ImageStats, InputStats, SoundStats};
use crate::learn::evaluate::{Evaluation, from_rows};

/// An item as it was measured; `score` is P(defect), all of it on what was said if that is a defect.
pub fn row(item: usize, group: &str, truth: &str, said: &str, score: f64) -> PredictionRow {
    let p = Probability::saturating;
    let mut probabilities: BTreeMap<String, Probability> =
        [("good".to_owned(), p(1.0 - score)), ("crack".to_owned(), p(0.0))].into();
    let defect = if said == "good" { "crack" } else { said };
    probabilities.insert(defect.to_owned(), p(score));
    PredictionRow {
        item,
        media: format!("{item}.png"),
        group: group.to_owned(),
        probabilities,
        label: said.to_owned(),
        truth: truth.to_owned(),
        defective: truth != "good",
        is_right: truth == said,
        regions: Vec::new(),
        transcript: None,
        inputs: InputStats::Image(ImageStats { brightness: item as f32, ..ImageStats::default() }),
        secs: None,
        features: Vec::new(),
        defect_px: None,
        decision: None,
    }
}

pub fn evaluation(rows: Vec<PredictionRow>) -> Evaluation {
    from_rows(rows)
}

/// 40 good units that are right, 20 scratches of which 2 are missed, and 5 cracks of which 3 are, in
/// the dark part.
fn mixed() -> (Vec<PredictionRow>, Vec<Facts>) {
    let mut rows = Vec::new();
    for i in 0..65 {
        let (truth, said) = match i {
            0..=2 => ("crack", "good"),
            3..=4 => ("crack", "crack"),
            5..=6 => ("scratch", "good"),
            7..=24 => ("scratch", "scratch"),
            _ => ("good", "good"),
        };
        let score = if said == "good" { 0.1 } else { 0.9 };
        rows.push(row(i, &format!("u{i}"), truth, said, score));
    }
    let facts = (0..65)
        .map(|i| Facts {
            source: Some(if i % 2 == 0 { "a" } else { "b" }.to_owned()),
            arrived_at: Some(Timestamp::from_micros(1)),
            disagreed: if i < 6 { Some(i < 3) } else { None },
            is_learnt: None,
        })
        .collect();
    (rows, facts)
}

fn slice<'a>(found: &'a Analysis, kind: SliceKind, name: &str) -> &'a Slice {
    found.slices.iter().find(|s| s.kind == kind && s.name.starts_with(name)).unwrap()
}

#[test]
fn slices_count_their_own_and_the_worst_come_first() {
    let (rows, facts) = mixed();
    let found = analyse(&rows, &facts, None, None, 1);
    assert_eq!((found.all.n, found.all.errors, found.all.missed, found.all.false_alarms), (65, 5, 5, 0));
    let crack = slice(&found, SliceKind::Class, "crack");
    assert_eq!((crack.errors.n, crack.errors.errors), (5, 3));
    assert!((crack.rest_rate - 2.0 / 60.0).abs() < 1e-12);
    // Clopper and Pearson, 3 of 5: 0.147 to 0.947 (R's binom.test).
    assert!((crack.errors.low - 0.1466).abs() < 1e-3 && (crack.errors.high - 0.9473).abs() < 1e-3);
    let disputed = slice(&found, SliceKind::Agreement, "people disagree");
    assert_eq!((disputed.errors.n, disputed.errors.errors), (3, 3));
    assert_eq!(slice(&found, SliceKind::Agreement, "people agree").errors.errors, 1);
    let dark = slice(&found, SliceKind::Brightness, "1 of 3: 0.0 to 21.0");
    assert_eq!((dark.errors.n, dark.errors.errors), (22, 5));
    // One moment is no time to compare, and no unit has a size.
    assert!(found.slices.iter().all(|s| !matches!(s.kind, SliceKind::Time | SliceKind::Size)));
    assert!(found.slices.windows(2).all(|pair| pair[0].worse_by_at_least >= pair[1].worse_by_at_least));
    assert_eq!(found.slices[0].name, "people disagree");
    assert_eq!(found.confusion.classes, ["good", "crack", "scratch"]);
    assert_eq!(found.confusion.counts, [[40, 0, 0], [3, 2, 0], [2, 0, 18]]);
    assert_eq!(found.worst.len(), 5);
}

#[test]
fn rare_classes_with_many_errors_are_asked_for_first() {
    let (rows, facts) = mixed();
    let found = analyse(&rows, &facts, None, None, 1);
    let first = &found.would_help_most[0];
    assert_eq!((first.what.as_str(), first.units, first.errors), ("crack", 5, 3));
    assert_eq!(first.advice, "crack: 5 units, recall 0.40: more units of this class first");
    // What the model has learnt from counts, where that is known.
    let learnt = [("crack".to_owned(), 400), ("scratch".to_owned(), 4)].into();
    let found = analyse(&rows, &facts, Some(&learnt), None, 1);
    assert_eq!((found.would_help_most[0].what.as_str(), found.would_help_most[0].units), ("scratch", 4));
}

#[test]
fn sounds_that_are_surely_worse_are_asked_for_by_what_they_measure() {
    // 30 with a hum beneath, of which 15 are missed, and 60 without.
    let rows: Vec<PredictionRow> = (0..90)
        .map(|i| {
            let said = if i < 15 { "good" } else { "crack" };
            let noise_floor_db = if i < 30 { -30.0 } else { -80.0 - i as f32 };
            let stats = SoundStats { noise_floor_db, ..SoundStats::default() };
            let inputs = InputStats::Sound(stats);
            PredictionRow { inputs, secs: Some(2.0), ..row(i, &format!("u{i}"), "crack", said, 0.5) }
        })
        .collect();
    let found = analyse(&rows, &[], None, None, 1);
    let advice = found.would_help_most.iter().find(|one| one.kind == SliceKind::NoiseFloor).unwrap();
    assert!(advice.advice.starts_with("noise floor 3 of 3: "), "{advice:?}");
}

#[test]
fn pictures_of_one_unit_are_not_as_many_witnesses() {
    // Three units of ten pictures, one of them all wrong: one in three, not ten in thirty.
    let rows: Vec<PredictionRow> = (0..30)
        .map(|i| {
            let said = if i < 10 { "good" } else { "crack" };
            row(i, &format!("u{}", i / 10), "crack", said, 0.5)
        })
        .collect();
    let found = analyse(&rows, &[], None, None, 1);
    let (low, high) = exact(1.0 / 3.0, 3);
    assert_eq!((found.all.low, found.all.high), (low, high));
    assert!(low < 0.02 && high > 0.9, "{low} {high}");
    // The pictures of the unit itself are so many looks at it.
    let unit = slice(&found, SliceKind::Unit, "u0");
    assert!(unit.errors.low > 0.65, "{unit:?}");
}
