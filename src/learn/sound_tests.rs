//! Tests of training and prediction on generated sounds.

use super::evaluate::evaluate;
use super::{Evaluation, TrainReport, TrainSettings, train};
use crate::domain::{Label, LabelStatus, LabelledItem, MediaKind, Region, Shape, Task};
use crate::infer::{InputSpec, Levels, Naming, View};
use crate::media::{Decoded, MelSpec, Raster, Sound, WavFormat, encode_wav};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const RATE_HZ: u32 = 8000;

/// Two seconds of noise, with a tone of `frequency` over a stretch of half a second.
fn clip(rng: &mut ChaCha8Rng, tone: Option<(f32, usize)>) -> Sound {
    let samples = (0..2 * RATE_HZ as usize).map(|i| {
        let noise = rng.random_range(-0.02..0.02);
        let heard = tone.filter(|(_, from)| (*from..from + 4000).contains(&i));
        noise + heard.map_or(0.0, |(frequency, _)| 0.2 * (TAU * frequency * i as f32 / RATE_HZ as f32).sin())
    });
    Sound { rate_hz: RATE_HZ, channels: 1, samples: samples.collect() }
}

fn item(dir: &Path, number: usize, sound: &Sound, label: Label) -> LabelledItem {
    let name = format!("{number}.wav");
    std::fs::write(dir.join(&name), encode_wav(sound, WavFormat::Pcm16)).unwrap();
    LabelledItem {
        path: dir.join(&name),
        name,
        kind: MediaKind::Audio,
        reference: None,
        group: format!("g{number}"),
        label,
        votes: Vec::new(),
        extra: BTreeMap::new(),
    }
}

fn settings(epochs: usize) -> TrainSettings {
    let sound = MelSpec { bands: 32, low_hz: 50.0, high_hz: 3900.0, hop_secs: 0.02, window_secs: 0.04 };
    let input = InputSpec {
        width_px: 128,
        height_px: 32,
        channels: 1,
        levels: Levels::PerItem,
        mean: vec![0.5],
        std: vec![0.165],
        view: View::Tiles { overlap_px: 16 },
        reference: false,
        local_px: 0,
        sound: Some(sound),
        difference: false,
    };
    TrainSettings {
        epochs: Some(epochs),
        batch: 4,
        average_steps: 20,
        validation_share: 0.2,
        evidence_share: 0.2,
        refit: Some(false),
        input: Some(input),
        ..TrainSettings::for_sounds()
    }
}

fn learn(items: &[LabelledItem], epochs: usize) -> (TrainReport, Evaluation) {
    let cancel = AtomicBool::new(false);
    let report = train(items, &settings(epochs), None, &cancel, &mut |_| {}).unwrap();
    let evaluation = evaluate(&report.model, items, 1, &cancel, &mut |_, _| {}).unwrap();
    (report, evaluation)
}

#[test]
fn a_fault_is_found_where_and_when_it_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let items: Vec<LabelledItem> = (0..40)
        .map(|number| {
            let tone = (number % 2 == 0).then(|| (1500.0, rng.random_range(1000..11_000)));
            let span = |from: usize| [from, from + 4000].map(|at| at as f64 / f64::from(RATE_HZ));
            let shape = |from| Shape::Span { span_secs: span(from), band_hz: Some([1350.0, 1650.0]) };
            let regions = tone.iter().map(|(_, from)| Region::new("whistle", shape(*from))).collect();
            let label = Label { status: LabelStatus::Confirmed, class: None, regions, transcript: None };
            item(dir.path(), number, &clip(&mut rng, tone), label)
        })
        .collect();
    let (report, Evaluation { report: figures, .. }) = learn(&items, 10);
    assert_eq!(report.model.manifest().task, Task::Defect);
    assert!(figures.auroc.unwrap().value > 0.95 && figures.defect_iou.unwrap().value > 0.4, "{figures:?}");
    let (decoded, _) = super::data::decoded(&items[0]).unwrap();
    let output = report.model.predict(&report.model.prepare(&decoded, None).unwrap(), 1).unwrap();
    let placed = output.regions.iter().find_map(|region| match region.shape {
        Shape::Span { span_secs, band_hz } => Some((span_secs, band_hz.unwrap())),
        _ => None,
    });
    let (span_secs, band) = placed.unwrap();
    let Shape::Span { span_secs: truth, .. } = items[0].label.regions[0].shape else { panic!() };
    let both = span_secs[1].min(truth[1]) - span_secs[0].max(truth[0]);
    let either = span_secs[1].max(truth[1]) - span_secs[0].min(truth[0]);
    assert!(both / either > 0.5 && band[0] < 1500.0 && band[1] > 1500.0, "{span_secs:?} {truth:?} {band:?}");
    let defect = 1.0 - output.probabilities["good"].get();
    assert!(
        (output.regions[0].score.unwrap().get() - defect).abs() < 1e-9,
        "one scale for regions and items"
    );
}

#[test]
fn sounds_without_a_good_one_are_named_and_the_name_has_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let items: Vec<LabelledItem> = (0..48)
        .map(|number| {
            let (name, frequency) = [("low", 400.0), ("middle", 1200.0), ("high", 3000.0)][number % 3];
            let tone = (frequency, rng.random_range(1000..11_000));
            item(dir.path(), number, &clip(&mut rng, Some(tone)), Label::confirmed(name))
        })
        .collect();
    let (report, Evaluation { report: figures, predictions }) = learn(&items, 14);
    let manifest = report.model.manifest();
    assert_eq!((manifest.task, manifest.calibration.naming), (Task::Classify, Naming::Item));
    assert_eq!(manifest.classes, ["high", "low", "middle"]);
    assert!(figures.accuracy.unwrap().value > 0.9 && figures.auroc.is_none() && figures.people.is_none());
    for row in &predictions {
        let sum: f64 = row.probabilities.values().map(|p| p.get()).sum();
        let region = row.regions.first().unwrap();
        assert!((sum - 1.0).abs() < 1e-9);
        assert_eq!((&region.class, region.score.unwrap()), (&row.label, row.probabilities[&row.label]));
    }
    let picture = Raster { width: 64, height: 64, channels: 1, pixels: vec![9; 4096] };
    let refused = report.model.prepare(&Decoded::Image(picture), None).unwrap_err().to_string();
    assert!(refused.contains("listens"), "{refused}");
}
