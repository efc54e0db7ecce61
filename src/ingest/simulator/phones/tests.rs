//! Tests of whole rendered units: what they depend on, that their truth is true, and that the
//! script of changes does what it says.

use super::*;
use crate::domain::{Drift, DriftKind, Plan, Shape};
use crate::ingest::pattern::Pattern;
use std::collections::BTreeSet;

const ALL: [SimulatedPosition; 3] =
    [SimulatedPosition::Front, SimulatedPosition::Back, SimulatedPosition::Edge];

fn settings(defect_share: f64, positions: &[SimulatedPosition]) -> SimulatorSettings {
    let positions = positions.to_vec();
    SimulatorSettings { defect_share, seed: 7, positions, ..SimulatorSettings::default() }
}

fn simulator(defect_share: f64, positions: &[SimulatedPosition]) -> Simulator {
    Simulator::new(settings(defect_share, positions))
}

fn drifting(kind: DriftKind, over_units: u64, level: f64) -> Simulator {
    let drift = vec![Drift { kind, at_unit: 10, over_units, level }];
    Simulator::new(SimulatorSettings { drift, ..settings(1.0, &[]) })
}

fn mean(picture: &RenderedPicture) -> f64 {
    let pixels = &picture.raster.pixels;
    pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels.len() as f64
}

#[test]
fn a_unit_depends_on_settings_and_index_alone() {
    let one = simulator(0.5, &[]);
    let first = one.render(3);
    let _ = one.render(4);
    let again = std::thread::scope(|scope| scope.spawn(|| simulator(0.5, &[]).render(3)).join().unwrap());
    assert_eq!(first.pictures[0].raster, again.pictures[0].raster);
    assert_eq!(first.pictures[0].regions, again.pictures[0].regions);
    assert_eq!((first.unit.as_str(), first.pictures[0].name.as_str()), ("P000003", "P000003"));
    assert_ne!(first.pictures[0].raster, one.render(4).pictures[0].raster);
    let other = Simulator::new(SimulatorSettings { seed: 8, ..one.settings().clone() });
    assert_ne!(first.pictures[0].raster, other.render(3).pictures[0].raster);
}

/// Sum of the channels' changes between two pictures at each pixel.
fn changes(a: &RenderedPicture, b: &RenderedPicture) -> Vec<u32> {
    let pairs = a.raster.pixels.chunks_exact(3).zip(b.raster.pixels.chunks_exact(3));
    pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()).collect()
}

/// Every region shows a change, and next to nothing changes away from all of them.
#[track_caller]
fn check_truth(bad: &RenderedPicture, clean: &RenderedPicture) {
    let changed = changes(bad, clean);
    let mut covered = vec![0; changed.len()];
    for region in &bad.regions {
        let Shape::Mask(mask) = &region.shape else { panic!("{region:?}") };
        assert_eq!(mask.size, [HEIGHT_PX, WIDTH_PX]);
        assert!(mask.area() >= 24 && mask.area() < 400_000, "{}: {}", bad.name, mask.area());
        let pixels = mask.to_pixels();
        let inside: u32 =
            changed.iter().zip(&pixels).filter(|(_, p)| **p == 1).map(|(change, _)| change).sum();
        let inside = f64::from(inside) / mask.area() as f64;
        assert!(inside > 8.0, "{} {}: {inside}", bad.name, region.class);
        covered.iter_mut().zip(pixels).for_each(|(sum, value)| *sum |= value);
    }
    let outside: u32 = changed.iter().zip(&covered).filter(|(_, c)| **c == 0).map(|(change, _)| change).sum();
    let outside = f64::from(outside) / changed.len() as f64;
    assert!(outside < 0.2, "{}: {outside}", bad.name);
}

#[test]
fn defects_come_in_all_classes_with_masks_that_show_a_change() {
    let (bad, good) = (simulator(1.0, &[]), simulator(0.0, &[]));
    let mut seen = BTreeSet::new();
    for index in 0..20 {
        let (unit, clean) = (bad.render(index), good.render(index));
        assert!(DEFECT_CLASSES.contains(&unit.class.as_str()), "{}", unit.class);
        assert_eq!((unit.pictures.len(), clean.class.as_str()), (1, "good"));
        assert!(clean.pictures[0].regions.is_empty());
        assert_eq!(unit.pictures[0].regions[0].class, unit.class, "{index}");
        check_truth(&unit.pictures[0], &clean.pictures[0]);
        seen.insert(unit.class);
    }
    assert_eq!(seen.len(), DEFECT_CLASSES.len(), "{seen:?}");
}

#[test]
fn the_pictures_of_a_unit_show_one_phone_and_carry_their_own_truth() {
    let (bad, good) = (simulator(1.0, &ALL), simulator(0.0, &ALL));
    let mut shares = [0; 3];
    for index in 0..6 {
        let (unit, clean) = (bad.render(index), good.render(index));
        let names: Vec<&str> = unit.pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ALL.map(|position| format!("{}_{}", unit.unit, position.as_str())));
        assert!(unit.pictures.iter().any(|picture| !picture.regions.is_empty()), "{index}");
        for ((i, picture), clean) in unit.pictures.iter().enumerate().zip(&clean.pictures) {
            shares[i] += usize::from(!picture.regions.is_empty());
            check_truth(picture, clean);
            assert_eq!(picture.raster == clean.raster, picture.regions.is_empty(), "{}", picture.name);
        }
        // A picture is the same whatever other pictures the unit has.
        let back = simulator(0.0, &ALL[1..2]).render(index);
        assert_eq!(back.pictures[0].raster, clean.pictures[1].raster);
    }
    assert!(shares.iter().all(|&count| count < 6), "{shares:?}");
    let unit = bad.unit(5);
    assert_eq!(unit.positions, ALL);
    assert_eq!(unit.phone.half, good.unit(5).phone.half);
}

#[test]
fn the_shipped_inspection_reads_what_its_simulator_writes() {
    let plan = Plan::from_toml(include_str!("../../../../assets/phone-inspection.toml")).unwrap();
    let pattern = Pattern::parse(&plan.source.pattern).unwrap();
    let unit = Simulator::new(plan.simulator.unwrap()).render(3);
    assert_eq!(unit.pictures.len(), plan.inspection.items as usize);
    for picture in &unit.pictures {
        let read = pattern.read(&format!("{}.jpg", picture.name));
        assert!(read.is_match && read.unit == unit.unit, "{read:?}");
        assert_eq!(read.position.as_deref(), Some(picture.position.as_str()));
    }
}

#[test]
fn the_share_of_defects_and_the_light_are_as_set() {
    let simulator = simulator(0.3, &[]);
    let defective = (0..2000).filter(|&index| simulator.unit(index).is_defective).count();
    assert!((540..660).contains(&defective), "{defective}");
    let dark = Simulator::new(SimulatorSettings { light: 0.5, ..simulator.settings().clone() });
    let ratio = mean(&dark.render(1).pictures[0]) / mean(&simulator.render(1).pictures[0]);
    assert!((0.45..0.6).contains(&ratio), "{ratio}");
}

#[test]
fn light_falls_along_its_ramp_and_nothing_changes_before() {
    let (before, drifting) = (simulator(1.0, &[]), drifting(DriftKind::Light, 9, 0.4));
    let ratio = |index| mean(&drifting.render(index).pictures[0]) / mean(&before.render(index).pictures[0]);
    assert_eq!(before.render(9).pictures[0].raster, drifting.render(9).pictures[0].raster);
    let ratios = [10, 14, 19, 40].map(ratio);
    assert!(ratios[0] > 0.9 && ratios[0] < 1.0, "{ratios:?}");
    assert!(ratios[1] < ratios[0] - 0.1 && ratios[2] < ratios[1] - 0.1, "{ratios:?}");
    assert!((ratios[2] - ratios[3]).abs() < 0.1 && ratios[3] < 0.5, "{ratios:?}");
}

/// Mean brightness of the left and of the right third, relative to the line before the drift.
fn thirds(before: &Simulator, after: &Simulator, index: u64) -> [f64; 2] {
    let [before, after] = [before, after].map(|simulator| simulator.render(index).pictures.remove(0).raster);
    let third = WIDTH_PX as usize;
    let sum = |raster: &Raster, from: usize| {
        let rows = raster.pixels.chunks_exact(third * 3);
        rows.flat_map(|row| &row[from..from + third]).map(|&value| f64::from(value)).sum::<f64>()
    };
    [0, 2 * third].map(|from| sum(&after, from) / sum(&before, from))
}

#[test]
fn a_dead_lamp_darkens_one_side_and_a_dirty_lens_veils_at_fixed_places() {
    let before = simulator(1.0, &[]);
    let [left, right] = thirds(&before, &drifting(DriftKind::LampFailure, 0, 1.0), 12);
    assert!(left < 0.9 && right < left - 0.25, "{left} {right}");
    let dirty = drifting(DriftKind::DirtyLens, 0, 1.0);
    assert_eq!(before.render(9).pictures[0].raster, dirty.render(9).pictures[0].raster);
    assert!(mean(&dirty.render(11).pictures[0]) > mean(&before.render(11).pictures[0]) + 4.0);
    let veiled = |index| changes(&dirty.render(index).pictures[0], &before.render(index).pictures[0]);
    let (a, b) = (veiled(11), veiled(12));
    let both = a.iter().zip(&b).filter(|(a, b)| **a > 30 && **b > 30).count() as f64;
    let either = a.iter().zip(&b).filter(|(a, b)| **a > 30 || **b > 30).count() as f64;
    assert!(both / either > 0.4, "{both} of {either}");
}

#[test]
fn a_camera_that_was_moved_shows_the_same_phone_beside_its_place() {
    let (before, moved) = (simulator(1.0, &[]), drifting(DriftKind::CameraMoved, 0, 0.1));
    assert_eq!(before.render(9).pictures[0].raster, moved.render(9).pictures[0].raster);
    let unit = moved.render(11);
    let clean = SimulatorSettings { defect_share: 0.0, ..moved.settings().clone() };
    check_truth(&unit.pictures[0], &Simulator::new(clean).render(11).pictures[0]);
    let left = |unit: &RenderedUnit| unit.pictures[0].regions[0].shape.bounds().unwrap().x1;
    let beside = (left(&unit) - left(&before.render(11))) / WIDTH_PX as f32;
    assert!((beside - 0.1).abs() < 0.03, "{beside}");
}

#[test]
fn new_colours_and_new_defects_appear_only_after_their_unit_and_by_their_share() {
    let (before, colored) = (simulator(1.0, &[]), drifting(DriftKind::NewColour, 0, 0.25));
    let is_new = |index: &u64| before.unit(*index).phone.back.body != colored.unit(*index).phone.back.body;
    assert_eq!((0..10).filter(is_new).count(), 0);
    let count = (10..1010).filter(is_new).count();
    assert!((200..300).contains(&count), "{count}");

    let burnt = drifting(DriftKind::NewDefect, 0, 1.0);
    assert_eq!(before.render(9).class, burnt.render(9).class);
    for index in 10..13 {
        let unit = burnt.render(index);
        assert_eq!(unit.class, NEW_DEFECT_CLASS);
        let clean = simulator(0.0, &[]).render(index);
        check_truth(&unit.pictures[0], &clean.pictures[0]);
    }
}
