//! Tests of training and prediction on generated sounds.

use super::augment::{Recipe, example};
use super::data::Wanted;
use super::draw::Donors;
use super::evaluate::evaluate;
use super::{Augmentation, Evaluation, TrainReport, TrainSettings, train};
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
    clip_of(rng, 2, tone)
}

fn clip_of(rng: &mut ChaCha8Rng, secs: usize, tone: Option<(f32, usize)>) -> Sound {
    let samples = (0..secs * RATE_HZ as usize).map(|i| {
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
    let sound = MelSpec {
        bands: 32,
        low_hz: 50.0,
        high_hz: 3900.0,
        hop_secs: 0.02,
        window_secs: 0.04,
        range_db: None,
    };
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
        mirrored: false,
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
    let (decoded, ..) = super::data::decoded(&items[0]).unwrap();
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
    // Everything that speaks of defects stays out.
    assert!(figures.by_size.is_empty() && manifest.norms.as_ref().is_some_and(|norms| norms.score.is_none()));
    assert!(!manifest.evidence.is_empty() && manifest.evidence.iter().all(|group| group.names.is_some()));
    let refused = report.model.onnx_description().unwrap_err().to_string();
    assert!(refused.contains("listens to sounds"), "{refused}");
    let mut regions = predictions.iter().flat_map(|row| &row.regions);
    assert!(regions.any(|region| region.span_secs.is_some() && region.band_hz.is_some()));
    for row in &predictions {
        assert!(row.regions.iter().all(|region| region.box_px.is_none()));
        let sum: f64 = row.probabilities.values().map(|p| p.get()).sum();
        let region = row.regions.first().unwrap();
        assert!((sum - 1.0).abs() < 1e-9);
        assert_eq!((&region.class, region.score.unwrap()), (&row.label, row.probabilities[&row.label]));
    }
    let picture = Raster { width: 64, height: 64, channels: 1, pixels: vec![9; 4096] };
    let refused = report.model.prepare(&Decoded::Image(picture), None).unwrap_err().to_string();
    assert!(refused.contains("listens"), "{refused}");
}

/// Of three names, each a tone at a place of its own; where it is heard, is marked or not.
fn named(dir: &Path, secs: usize, count: usize, is_marked: bool) -> Vec<LabelledItem> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    (0..count)
        .map(|number| {
            let (name, frequency) = [("low", 400.0), ("middle", 1200.0), ("high", 3000.0)][number % 3];
            let from = rng.random_range(1000..secs * RATE_HZ as usize - 5000);
            let span_secs = [from, from + 4000].map(|at| at as f64 / f64::from(RATE_HZ));
            let mut label = Label::confirmed(name);
            if is_marked {
                label.regions.push(Region::new(name, Shape::Span { span_secs, band_hz: None }));
            }
            item(dir, number, &clip_of(&mut rng, secs, Some((frequency, from))), label)
        })
        .collect()
}

#[test]
fn names_are_learnt_from_marked_stretches_that_lie_over_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(3);
    settings.augmentation.beneath = 1.0;
    let never = AtomicBool::new(false);
    let report = train(&named(dir.path(), 2, 18, true), &settings, None, &never, &mut |_| {}).unwrap();
    assert_eq!(report.model.manifest().task, Task::Classify);
}

#[test]
fn long_clips_that_nobody_has_marked_are_heard_whole_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let items = named(dir.path(), 12, 18, false);
    let usual = TrainSettings { input: None, ..settings(1) };
    let set_up = super::set_up::set_up(&items, &[], &usual, None).unwrap();
    let never = AtomicBool::new(false);
    let loaded = super::data::load(
        &set_up.usable,
        &set_up.spec,
        Wanted::classes(set_up.shown()),
        &never,
        &mut |_, _| (),
    )
    .unwrap();
    assert!(loaded.samples.iter().all(|sample| sample.is_defective() && !sample.is_beyond()));
    assert!(set_up.spec.width_px >= set_up.spec.sound.unwrap().columns(12.0));
    // An input of 2.56 seconds would teach no name at all.
    let refused = train(&items, &settings(1), None, &never, &mut |_| {}).err().unwrap().to_string();
    assert!(refused.contains("larger than the 2.6 s") && refused.contains("Hint"), "{refused}");
    let square = TrainSettings { side_px: 128, ..usual };
    let refused = train(&items, &square, None, &never, &mut |_| {}).err().unwrap().to_string();
    assert!(refused.contains("are for pictures"), "{refused}");
}

#[test]
fn a_sound_goes_round_within_its_own_length_and_a_longer_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let still = TrainSettings::default().augmentation;
    let augmentation = Augmentation {
        flip_x: false,
        flip_y: false,
        quarter_turn: false,
        rotate_deg: 0.0,
        scale: 0.0,
        stretch: 0.0,
        shift: 0.0,
        light: 0.0,
        gamma: 0.0,
        shading: 0.0,
        blur: 0.0,
        noise: 0.0,
        paste: 0.0,
        delay: 0.5,
        ..still
    };
    let spec = settings(1).input.unwrap();
    let classes = ["whistle".to_owned()];
    let never = AtomicBool::new(false);
    // Of two seconds 100 of 128 columns are used; of twelve an aimed window of 128 is shown.
    for (secs, from) in [(2, 6000), (12, 50_000)] {
        let span_secs = [from, from + 4000].map(|at| at as f64 / f64::from(RATE_HZ));
        let shape = Shape::Span { span_secs, band_hz: None };
        let mut label = Label::confirmed("whistle");
        label.regions.push(Region::new("whistle", shape));
        let item = item(dir.path(), secs, &clip_of(&mut rng, secs, Some((1500.0, from))), label);
        let loaded =
            super::data::load(&[&item], &spec, Wanted::classes(&classes), &never, &mut |_, _| ()).unwrap();
        let recipe = Recipe { spec: &spec, settings: &augmentation, donors: &Donors::new(&[]), beds: &[] };
        let seen = (0..100).filter(|draw| {
            let drawn = example(&loaded.samples[0], &recipe, [1, 1, *draw]).unwrap();
            let columns = spec.width_px as usize;
            if secs == 2 {
                let grey = drawn.values[columns - 1];
                let beyond =
                    drawn.values.chunks_exact(columns).all(|row| row[100..].iter().all(|v| *v == grey));
                assert!(beyond, "beyond its end there is nothing");
            }
            drawn.item_target[0] > 0.5
        });
        // Short ones show it always, long ones where the window was aimed at it, and now and then by chance.
        let seen = seen.count();
        assert!(if secs == 2 { seen == 100 } else { seen >= 70 }, "{secs} s: {seen}");
    }
}
