//! Tests of whole rendered motors: what they depend on, that their truth is where the fault is,
//! and that the script of changes does what it says.

use super::*;
use crate::domain::{Drift, DriftKind, Plan, Shape, SimulatorKind};
use crate::ingest::pattern::Pattern;
use crate::ingest::simulator::curve::whole;
use signal::Filter;
use std::collections::BTreeMap;

fn settings(defect_share: f64) -> SimulatorSettings {
    let kind = SimulatorKind::Motor;
    SimulatorSettings { kind, defect_share, seed: 7, ..SimulatorSettings::default() }
}

fn simulator(defect_share: f64) -> Simulator {
    Simulator::new(settings(defect_share))
}

fn drifting(kind: DriftKind, level: f64) -> Simulator {
    let drift = vec![Drift { kind, at_unit: 10, over_units: 0, level }];
    Simulator::new(SimulatorSettings { drift, ..settings(0.5) })
}

/// What the fault has added to the clip.
fn difference(faulty: &RenderedUnit, good: &RenderedUnit) -> Vec<f32> {
    faulty.sound.samples.iter().zip(&good.sound.samples).map(|(a, b)| a - b).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "seconds and hertz of a clip")]
fn f32s([from, to]: [f64; 2]) -> [f32; 2] {
    [from as f32, to as f32]
}

/// Energy within a region, by filters that know nothing of the spectra that found it.
fn energy_within(samples: &[f32], region: &Region) -> f32 {
    let Shape::Span { span_secs, band_hz: Some(band_hz) } = &region.shape else { panic!("{region:?}") };
    let mut part = samples.to_vec();
    let [low_hz, high_hz] = f32s(*band_hz);
    for _ in 0..2 {
        Filter::high_pass(low_hz, 0.7).run(&mut part);
        Filter::low_pass(high_hz, 0.7).run(&mut part);
    }
    let [start, end] = f32s(*span_secs).map(|secs| whole(secs * RATE_HZ as f32));
    part[start..end].iter().map(|value| value * value).sum()
}

#[test]
fn a_motor_depends_on_settings_and_index_alone() {
    let one = simulator(0.5);
    let first = one.render(3);
    let _ = one.render(4);
    let again = std::thread::scope(|scope| scope.spawn(|| simulator(0.5).render(3)).join().unwrap());
    assert_eq!(first.sound.samples, again.sound.samples);
    assert_eq!((first.regions, first.unit.as_str()), (again.regions, "M000003"));
    assert_ne!(first.sound.samples, one.render(4).sound.samples);
    let other = Simulator::new(SimulatorSettings { seed: 8, ..settings(0.5) });
    assert_ne!(first.sound.samples, other.render(3).sound.samples);
    assert_eq!(first.sound.samples.len(), CLIP_SAMPLES);
}

/// How much of the fault's energy lies within the stretches of its truth.
fn share_within_spans(added: &[f32], regions: &[Region]) -> f32 {
    let is_within = |sample: usize| {
        let secs = sample as f64 / f64::from(RATE_HZ);
        regions.iter().any(|region| {
            matches!(&region.shape, Shape::Span { span_secs: [start, end], .. } if (*start..*end).contains(&secs))
        })
    };
    let energy = |(_, value): (usize, &f32)| value * value;
    let within: f32 = added.iter().enumerate().filter(|(i, _)| is_within(*i)).map(energy).sum();
    within / added.iter().enumerate().map(energy).sum::<f32>()
}

#[test]
fn every_fault_occurs_and_its_truth_lies_where_it_is_louder_than_the_rest() {
    let (bad, good) = (simulator(1.0), simulator(0.0));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..60 {
        let (faulty, clean) = (bad.render(index), good.render(index));
        assert_eq!((clean.class.as_str(), clean.regions.len()), ("good", 0));
        let added = difference(&faulty, &clean);
        assert_eq!(added.iter().any(|&value| value != 0.0), !faulty.regions.is_empty(), "{index}");
        for region in &faulty.regions {
            let [fault, rest] = [&added, &clean.sound.samples].map(|part| energy_within(part, region));
            // Less than 1 since knocks pause within a stretch, and the filters' slopes are gentle.
            assert!(fault > 0.2 * rest, "{index} {region:?}: {fault} {rest}");
        }
        assert!(share_within_spans(&added, &faulty.regions) > 0.5, "{index} {:?}", faulty.regions);
        *seen.entry(faulty.class).or_default() += 1;
    }
    for class in FAULT_CLASSES {
        assert!(seen.get(class).is_some_and(|&count| count >= 5), "{seen:?}");
    }
}

#[test]
fn spans_and_bands_are_those_of_each_fault() {
    let bad = simulator(1.0);
    for unit in (0..60).map(|index| bad.render(index)) {
        for region in &unit.regions {
            let Shape::Span { span_secs: [start, end], band_hz: Some([low, high]) } = region.shape else {
                panic!("{region:?}")
            };
            assert!(0.0 <= start && start < end && end <= 2.0, "{region:?}");
            let within = match region.class.as_str() {
                "imbalance" => 5.0..310.0,
                "rattle" => 240.0..8000.0,
                _ => 700.0..8000.0,
            };
            assert!(
                within.contains(&low) && within.contains(&high) && low < high,
                "{} {region:?}",
                unit.unit
            );
        }
    }
}

#[test]
fn a_more_severe_fault_stands_further_above_the_rest() {
    let bad = simulator(1.0);
    let mut rng = stream_rng(1, 1);
    let motor = Motor::draw(&mut rng);
    let run = Run::draw(&mut rng, 30.0);
    let healthy = motor.render(&run, &mut rng);
    let microphone = Microphone::draw(&mut rng, &Drifted::at(&settings(1.0), 0));
    let heard = microphone.hear(&healthy);
    for mut fault in (0..8).flat_map(|_| render_faults(&motor, &run, &healthy, 0.2, &mut rng)) {
        let mut before = 0.0;
        for severity in [0.0, 0.25, 0.5, 1.0] {
            fault.severity = severity;
            let mut rest = bad.rest(heard.clone());
            let regions = bad.add_fault(&mut rest, &mut fault, &microphone);
            assert!(severity < 0.5 || !regions.is_empty(), "{} {severity}", fault.class);
            let added: Vec<f32> = rest.heard.iter().zip(&heard).map(|(a, b)| a - b).collect();
            let ratio = signal::rms(&added) / signal::rms(&heard);
            assert!(ratio > before || fault.severity > severity, "{}: {ratio} {before}", fault.class);
            before = ratio;
        }
    }
}

#[test]
fn the_share_of_faults_is_as_set_and_few_are_left_unheard() {
    let simulator = simulator(0.3);
    let faulty = (0..400).filter(|&index| simulator.render(index).class != Label::GOOD).count();
    assert!((90..150).contains(&faulty), "{faulty}");
}

#[test]
fn nothing_drifts_before_its_unit() {
    let before = simulator(0.5);
    for (kind, level) in [
        (DriftKind::Background, 3.0),
        (DriftKind::MicrophoneGain, 0.3),
        (DriftKind::Muffled, 1.0),
        (DriftKind::NewDefect, 1.0),
    ] {
        assert_eq!(before.render(9).sound.samples, drifting(kind, level).render(9).sound.samples, "{kind:?}");
    }
}

#[test]
fn halls_get_louder_microphones_quieter_or_muffled() {
    let before = simulator(0.0);
    let drifted = |kind, level| {
        let drift = vec![Drift { kind, at_unit: 10, over_units: 0, level }];
        Simulator::new(SimulatorSettings { drift, ..settings(0.0) })
    };
    let change = |kind, level, index| {
        let [now, then] =
            [&drifted(kind, level), &before].map(|simulator| simulator.render(index).sound.samples);
        signal::rms(&now) / signal::rms(&then)
    };
    for index in 10..16 {
        assert!(change(DriftKind::Background, 4.0, index) > 1.02, "{index}");
        let gain = change(DriftKind::MicrophoneGain, 0.3, index);
        assert!((0.28..0.33).contains(&gain), "{index}: {gain}");
        assert!(change(DriftKind::Muffled, 1.0, index) < 0.6, "{index}");
    }
}

#[test]
fn a_new_fault_appears_only_after_its_unit_and_by_its_share() {
    let drift = vec![Drift { kind: DriftKind::NewDefect, at_unit: 10, over_units: 0, level: 0.5 }];
    let simulator = Simulator::new(SimulatorSettings { drift, ..settings(1.0) });
    let is_new = |index: &u64| simulator.render(*index).class == NEW_FAULT_CLASS;
    assert_eq!((0..10).filter(is_new).count(), 0);
    let count = (10..110).filter(is_new).count();
    assert!((35..65).contains(&count), "{count}");
}

#[test]
fn the_shipped_plans_read_what_their_simulator_writes() {
    for text in [
        include_str!("../../../../assets/motor-sound.toml"),
        include_str!("../../../../assets/motor-sound-training.toml"),
    ] {
        let plan = Plan::from_toml(text).unwrap();
        let pattern = Pattern::parse(&plan.source.pattern).unwrap();
        assert!(FAULT_CLASSES.iter().all(|class| plan.route(class) == Some(crate::domain::Route::Divert)));
        let unit = Simulator::new(plan.simulator.unwrap()).render(3);
        let read = pattern.read(&format!("{}.wav", unit.unit));
        assert!(read.is_match && read.unit == unit.unit, "{read:?}");
    }
}
