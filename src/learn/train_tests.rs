//! Tests of the training loop on rendered spots.

use super::super::augment::Recipe;
use super::super::curve::learning_curve;
use super::super::network::SILENT;
use super::super::settings::Augmentation;
use super::*;
use crate::domain::{BoxPx, Label, LabelStatus, MediaKind, Region, Shape};
use crate::infer::{EvidenceGroup, InferError, Levels, View, prepare};
use crate::media::{Decoded, Raster, image_stats};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Grey noise; some pictures carry a bright spot, marked by a box.
fn spots(dir: &Path) -> Vec<LabelledItem> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..24)
        .map(|i| {
            let mut picture =
                image::GrayImage::from_fn(64, 64, |_, _| image::Luma([rng.random_range(80..120)]));
            let mut regions = Vec::new();
            if i % 3 == 0 {
                let (x, y) = (rng.random_range(4..44), rng.random_range(4..44));
                for (dx, dy) in (0..144).map(|k| (k % 12, k / 12)) {
                    picture.put_pixel(x + dx, y + dy, image::Luma([240]));
                }
                let corner = BoxPx::new(x as f32, y as f32, (x + 12) as f32, (y + 12) as f32);
                regions.push(Region::new("spot", Shape::Box(corner)));
            }
            let name = format!("{i}.png");
            picture.save(dir.join(&name)).unwrap();
            LabelledItem {
                path: dir.join(&name),
                name,
                kind: MediaKind::Image,
                reference: None,
                group: format!("g{i}"),
                label: Label { status: LabelStatus::Confirmed, class: None, regions, transcript: None },
                votes: Vec::new(),
                extra: BTreeMap::new(),
            }
        })
        .collect()
}

fn small() -> TrainSettings {
    let input = InputSpec {
        width_px: 64,
        height_px: 64,
        channels: 1,
        levels: Levels::PerItem,
        mean: vec![0.5],
        std: vec![0.165],
        view: View::Single,
        reference: false,
        local_px: 0,
        sound: None,
        difference: false,
        mirrored: false,
    };
    TrainSettings {
        epochs: Some(3),
        batch: 4,
        validation_share: 0.25,
        evidence_share: 0.25,
        input: Some(input),
        ..TrainSettings::default()
    }
}

#[test]
fn two_trainings_give_the_same_package_and_scores_share_one_scale() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let go = || train(&items, &small(), None, &AtomicBool::new(false), &mut |_| {}).unwrap();
    let (a, b) = (go(), go());
    assert_eq!(a.model.package(), b.model.package());
    let manifest = a.model.manifest();
    assert_eq!(manifest.classes, ["good", "spot"]);
    assert_eq!((manifest.data.items, manifest.data.groups), (24, 24));
    assert!(manifest.evidence.iter().any(|e| e.defective) && manifest.evidence.iter().any(|e| !e.defective));
    assert!(a.metrics.contains_key("auroc") && a.metrics.contains_key("defect_iou"));
    for item in &items {
        let (image, ..) = data::decoded(item).unwrap();
        let out = a.model.predict(&a.model.prepare(&image, None).unwrap(), 1).unwrap();
        let sum: f64 = out.probabilities.values().map(|p| p.get()).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        let defect = 1.0 - out.probabilities["good"].get();
        match out.regions.first().and_then(|r| r.score) {
            Some(score) => assert!((score.get() - defect).abs() < 1e-9, "{score} {defect}"),
            None => assert!(defect < manifest.regions.score_min),
        }
    }
    loads_back_and_refuses_damage(&a.model, dir.path());
    goes_on_from_a_model_and_stops_when_told(&items, &a.model);
}

fn loads_back_and_refuses_damage(model: &Model, dir: &Path) {
    let folder = dir.join("package");
    model.save(&folder).unwrap();
    assert_eq!(Model::load(&folder).unwrap().model_ref(), model.model_ref());
    let (manifest, weights) = model.package();
    let says = |m: &[u8], w: &[u8]| Model::from_bytes(m, w).unwrap_err().to_string();
    assert!(says(manifest, &weights[..weights.len() - 1]).contains("damaged"));
    let text = String::from_utf8(manifest.to_vec()).unwrap();
    assert!(says(text.replace("\"classes\"", "\"clases\"").as_bytes(), weights).contains("clases"));
    assert!(
        says(text.replace("\"format_version\": 1", "\"format_version\": 9").as_bytes(), weights)
            .contains("newer")
    );
    // A narrower network in the manifest than in the weights.
    let narrow = text.replace("\"out\": 48", "\"out\": 40");
    let difference = says(narrow.as_bytes(), weights);
    assert!(difference.contains("expected [40, 32, 3, 3]"), "{difference}");
    std::fs::remove_file(folder.join("weights.safetensors")).unwrap();
    assert!(matches!(Model::load(&folder), Err(InferError::Read { what: "weights.safetensors", .. })));
}

fn goes_on_from_a_model_and_stops_when_told(items: &[LabelledItem], model: &Model) {
    let cancel = AtomicBool::new(false);
    let mut seen = Vec::new();
    let settings = TrainSettings { epochs: Some(50), input: None, ..small() };
    let report = train(items, &settings, Some(model), &cancel, &mut |p| {
        seen.push(p.done);
        if p.epoch == 2 {
            cancel.store(true, Ordering::Relaxed);
        }
    })
    .unwrap();
    assert!(report.stopped && report.best_epoch == 1, "{}", report.best_epoch);
    assert!(seen.windows(2).all(|w| w[0] <= w[1]));
    let never = AtomicBool::new(true);
    assert!(matches!(train(items, &small(), None, &never, &mut |_| {}), Err(LearnError::Cancelled)));
}

#[test]
fn tiles_are_stitched_and_found_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = small();
    if let Some(input) = settings.input.as_mut() {
        input.view = View::Tiles { overlap_px: 16 };
    }
    let report = train(&spots(dir.path()), &settings, None, &AtomicBool::new(false), &mut |_| {}).unwrap();
    let image = Raster { width: 150, height: 90, channels: 1, pixels: vec![100; 150 * 90] };
    let input = prepare(&report.model.manifest().input, &image, None).unwrap();
    assert_eq!(input.tile_count(), 6);
    let (output, heat) = report.model.predict_with_heat(&input, 1).unwrap();
    assert_eq!(output, report.model.predict(&input, 2).unwrap());
    assert_eq!((heat.width, heat.height), (38, 23));
    assert!(heat.values.iter().all(|v| (0.0..=1.0).contains(v)));
}

#[test]
fn cross_validation_measures_each_item_once_and_keeps_units_and_given_folds_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut items = spots(dir.path());
    let settings = TrainSettings { epochs: Some(1), ..small() };
    let go = |items: &[LabelledItem], folds| {
        let mut seen = BTreeMap::new();
        let cross = crate::learn::cross_validate(
            items,
            &settings,
            None,
            folds,
            &AtomicBool::new(false),
            &mut |fold, p| {
                seen.insert(fold, p.epoch);
            },
        );
        (cross.unwrap(), seen)
    };
    let (cross, seen) = go(&items, 3);
    assert_eq!((cross.folds, seen.len()), (3, 3));
    let mut names: Vec<&str> = cross.evaluation.predictions.iter().map(|row| row.media.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), cross.evaluation.report.n), (24, 24));
    assert!(cross.evaluation.predictions.iter().all(|row| items[row.item].name == row.media));
    // The data's own folds come first.
    for (i, item) in items.iter_mut().enumerate() {
        item.extra.insert("fold".to_owned(), (i % 2).into());
    }
    assert_eq!(go(&items, 5).0.folds, 2);
    let one = super::super::split::deal(&items, 1, 4);
    assert!(one.iter().max() == Some(&3) && one == super::super::split::deal(&items, 1, 4));
}

#[test]
fn any_setting_can_be_set_by_its_name_and_nothing_else() {
    let mut settings = TrainSettings::default();
    settings.set("augmentation.paste=0.25").unwrap();
    settings.set("keep=best").unwrap();
    assert!((settings.augmentation.paste - 0.25).abs() < 1e-9 && settings.keep == super::Keep::Best);
    for (wrong, says) in [
        ("augmentation.past=1", "there is no setting \"augmentation.past\""),
        ("batch", "NAME=VALUE"),
        ("batch=many", "batch:"),
    ] {
        let error = settings.set(wrong).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

/// Two data sets may use the same file names: what a row is must not depend on its name.
#[test]
fn evidence_of_items_with_one_name_stays_apart() {
    let row = |group: &str, good: f64, defective: bool| crate::learn::PredictionRow {
        item: 0,
        is_right: true,
        media: "a.png".into(),
        group: group.into(),
        probabilities: BTreeMap::from([(
            Label::GOOD.to_owned(),
            crate::domain::Probability::saturating(good),
        )]),
        label: Label::GOOD.into(),
        truth: String::new(),
        defective,
        regions: vec![],
        transcript: None,
        inputs: crate::domain::InputStats::Image(crate::domain::ImageStats::default()),
        secs: None,
        features: Vec::new(),
        defect_px: None,
        decision: None,
    };
    let rows =
        [row("good", 0.75, false), row("bad", 0.25, true), row("bad", 0.5, true), row("good", 0.5, false)];
    let found: Vec<_> = crate::learn::pack::evidence_groups(&rows, &[])
        .into_iter()
        .map(|g| (g.group, g.defective, g.score))
        .collect();
    assert_eq!(found, [("bad".to_owned(), true, 0.5), ("good".to_owned(), false, 0.5)]);
}

#[test]
fn a_package_says_what_is_normal_for_what_it_was_trained_on_and_what_its_evidence_has() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let settings = TrainSettings { line: Some("this line".into()), ..small() };
    let cancel = AtomicBool::new(false);
    let model = train(&items, &settings, None, &cancel, &mut |_| {}).unwrap().model;
    let manifest = model.manifest();
    let norms = manifest.norms.as_ref().unwrap();
    assert_eq!(norms.line.as_deref(), Some("this line"));
    assert_eq!(norms.items + manifest.evidence.len(), items.len(), "each item is a group");
    let stats = |item: &LabelledItem| match super::data::decoded(item).unwrap().0 {
        Decoded::Image(image) => image_stats(&image),
        Decoded::Sound(_) => panic!("a sound"),
    };
    let far = |item: &LabelledItem| norms.inputs["brightness"].deviation(stats(item).brightness.into());
    assert!(items.iter().all(|item| far(item).abs() < 6.0));
    assert!(norms.score.is_some());
    let says = |group: &EvidenceGroup| group.classes.as_deref() == Some(&["spot".to_owned()][..]);
    assert!(manifest.evidence.iter().all(|group| says(group) == group.defective), "{:?}", manifest.evidence);
}

#[test]
fn a_learning_curve_grows_and_says_where_labels_are_too_few() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let cancel = AtomicBool::new(false);
    let settings = small();
    let curve = |ways: &[_]| learning_curve(&items, ways, &[2, 18], &cancel, &mut |_, _| {}).unwrap();
    let points = curve(&[(&settings, None)]);
    assert_eq!(points.iter().map(|p| p.labels).collect::<Vec<_>>(), [2, 18]);
    assert!(points[0].refused.is_some() && points[0].metrics.is_empty());
    assert!(points[1].refused.is_none() && points[1].metrics.contains_key("auroc"));
    let model = train(&items, &small(), None, &cancel, &mut |_| {}).unwrap().model;
    let both = [(&settings, None), (&settings, Some(&model))];
    let from_a_package: Vec<bool> = curve(&both).iter().map(|p| p.init.is_some()).collect();
    assert_eq!(from_a_package, [false, true, false, true]);
}

#[test]
fn a_model_of_other_goods_gives_weights_and_neither_classes_nor_its_look() {
    let dir = tempfile::tempdir().unwrap();
    let mut items = spots(dir.path());
    let cancel = AtomicBool::new(false);
    let model = train(&items, &small(), None, &cancel, &mut |_| {}).unwrap().model;
    for region in items.iter_mut().flat_map(|item| &mut item.label.regions) {
        region.class = "mark".to_owned();
    }
    let local = small().input.map(|input| InputSpec { local_px: 8, ..input });
    // At such a rate weights stay where they begin.
    let settings = TrainSettings {
        transfer: true,
        input: local,
        epochs: Some(1),
        rate: 1e-7,
        average_steps: 0,
        ..small()
    };
    let made = |init: Option<&Model>| train(&items, &settings, init, &cancel, &mut |_| {}).unwrap().model;
    let child = made(Some(&model));
    assert_eq!(child.manifest().classes, ["good", "mark"]);
    assert_eq!(child.manifest().input.local_px, 8);
    // Of the first layer, those for the plane that both see.
    let filters = |of: &Model, planes: usize| -> Vec<f32> {
        let weights = weights_from_bytes(of.package().1).unwrap();
        let (shape, values) = &weights["stem.weight"];
        assert_eq!(shape[1], planes);
        values.chunks_exact(planes * 9).flat_map(|one| one[..9].to_vec()).collect()
    };
    let apart = |of: &Model| -> f32 {
        let pairs = filters(of, 2).into_iter().zip(filters(&model, 1));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(apart(&child) < 1e-3 && apart(&made(None)) > 0.05, "{} {}", apart(&child), apart(&made(None)));
    // At a usual rate they change by the share that is asked for.
    let moved = |transfer_rate| {
        let settings = TrainSettings { rate: small().rate, transfer_rate, ..settings.clone() };
        apart(&train(&items, &settings, Some(&model), &cancel, &mut |_| {}).unwrap().model)
    };
    let (still, usual) = (moved(0.0), moved(1.0));
    assert!(still < 1e-6 && usual > 1e-3, "{still} {usual}");
}

/// A spot in a view much larger than a window is learnt from windows and found in the whole view.
#[test]
fn windows_train_a_larger_view_whose_item_layer_stays_silent() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let mut settings = TrainSettings { window_px: 32, epochs: Some(1), ..small() };
    let window = window(settings.input.as_ref().unwrap(), settings.window_px);
    assert_eq!((window.width_px, window.height_px), (32, 32));
    let model = |settings: &TrainSettings| {
        train(&items, settings, None, &AtomicBool::new(false), &mut |_| {}).unwrap().model
    };
    let raw = |model: &Model| {
        let (image, ..) = data::decoded(&items[0]).unwrap();
        let input = model.prepare(&image, None).unwrap();
        raw_scores(model.plan(), &model.manifest().input, &input, 1).unwrap()
    };
    let scores = raw(&model(&settings));
    assert_eq!((scores.width, scores.height), (16, 16));
    assert!((scores.item[0] - SILENT).abs() < 1e-6);
    settings.window_px = 0;
    assert!(raw(&model(&settings)).item[0] > SILENT / 2.0);
}

/// A training that is killed after any epoch, of the first run or the second, comes to the same package.
#[test]
fn a_training_that_goes_on_from_any_epoch_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let settings = TrainSettings { refit: Some(true), keep: Keep::Best, ..small() };
    let go = |keeper: &mut Keeper, seen: &mut dyn FnMut(&Progress)| {
        train_kept(&items, &settings, None, keeper, &AtomicBool::new(false), seen)
    };
    let file = dir.path().join("checkpoint");
    let copy = |number: usize| dir.path().join(format!("copy {number}"));
    let (mut copies, mut before) = (0, Vec::new());
    let whole = go(&mut Keeper::new(file.clone(), "mine".into()), &mut |_| {
        // What a kill at this moment would leave.
        let now = std::fs::read(&file).unwrap_or_default();
        if now != before {
            std::fs::write(copy(copies), &now).unwrap();
            (copies, before) = (copies + 1, now);
        }
    })
    .unwrap();
    assert_eq!(copies, 6, "three epochs, twice");
    let plain = train(&items, &settings, None, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!(plain.model.package(), whole.model.package(), "keeping changes nothing");
    for number in 0..copies {
        let mut keeper = Keeper::open(copy(number)).unwrap();
        assert_eq!(keeper.about(), "mine");
        let mut first = None;
        let again = go(&mut keeper, &mut |p| {
            let learns = Some(p.epoch).filter(|_| p.loaded.is_none());
            first = first.or(learns);
        })
        .unwrap();
        assert_eq!(again.model.package().1, whole.model.package().1, "weights after epoch {}", number + 1);
        assert_eq!(again.model.package(), whole.model.package(), "package after epoch {}", number + 1);
        assert_eq!(first, if number + 1 < copies { Some(number + 2) } else { None }, "nothing is done twice");
    }
    // Other data are another training, and half a checkpoint is none.
    let mut other = Keeper::open(copy(0)).unwrap();
    let error = train_kept(&items[1..], &settings, None, &mut other, &AtomicBool::new(false), &mut |_| {});
    assert!(error.err().unwrap().to_string().contains("not those that this training began with"));
    let bytes = std::fs::read(copy(0)).unwrap();
    std::fs::write(copy(0), &bytes[..bytes.len() / 2]).unwrap();
    assert!(Keeper::open(copy(0)).err().unwrap().to_string().contains("damaged"));
}

#[test]
fn what_does_not_fit_into_memory_is_decoded_again_and_looks_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let items: Vec<&LabelledItem> = items.iter().collect();
    let spec = small().input.unwrap();
    let classes = ["spot".to_owned()];
    let load = |bytes| {
        data::load_within(
            bytes,
            &items,
            &spec,
            Wanted::classes(&classes),
            &AtomicBool::new(false),
            &mut |_, _| (),
        )
        .unwrap()
    };
    // Each is 4 kB, and as much again where it has a spot.
    let (all, some) = (load(usize::MAX), load(20_000));
    assert_eq!((all.hash.as_str(), all.samples.len()), (some.hash.as_str(), 24));
    let settings = TrainSettings::default().augmentation;
    let drawn = |loaded: &Loaded<'_>, at: usize| {
        let donors = Donors::new(&loaded.samples.iter().collect::<Vec<_>>());
        let recipe = Recipe { spec: &spec, settings: &settings, donors: &donors, beds: &[] };
        let example = example(&loaded.samples[at], &recipe, [1, 1, at as u64]).unwrap();
        (example.values, example.target)
    };
    assert!((0..24).all(|at| drawn(&all, at) == drawn(&some, at)));
    std::fs::write(&items[23].path, b"gone").unwrap();
    let error = some.samples[23].canvas().err().unwrap().to_string();
    assert!(error.contains("cannot be read any more"), "{error}");
}

#[test]
fn an_item_that_stands_still_is_seen_as_in_use_or_in_its_mirrors() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let items: Vec<&LabelledItem> = items.iter().collect();
    let never = AtomicBool::new(false);
    // Beyond the picture there is grey, and around tiles its border again.
    for (view, mirrors) in [(View::Fit, true), (View::Tiles { overlap_px: 0 }, false)] {
        let spec = InputSpec { width_px: 96, view, ..small().input.unwrap() };
        let loaded = data::load(&items, &spec, Wanted::classes(&[]), &never, &mut |_, _| ()).unwrap();
        let (donors, table) = (Donors::new(&[]), crate::infer::normalisation(&spec, 0));
        let as_in_use = |still: f32| {
            let settings = Augmentation {
                flip_x: mirrors,
                flip_y: mirrors,
                still,
                light: 0.0,
                gamma: 0.0,
                shading: 0.0,
                blur: 0.0,
                noise: 0.0,
                ..Augmentation::default()
            };
            let recipe = Recipe { spec: &spec, settings: &settings, donors: &donors, beds: &[] };
            let is_alike = |sample: &Sample<'_>| {
                let canvas = sample.canvas().unwrap();
                let (bytes, width, height) = canvas.input.canvas();
                let [columns, rows] = canvas.input.picture();
                let seen = example(sample, &recipe, [1, 1, sample.item as u64]).unwrap().values;
                let in_mirror = |swaps_x: bool, swaps_y: bool| {
                    (0..width * height).all(|at| {
                        let (x, y) = (at % width, at / width);
                        let x = if swaps_x && x < columns { columns - 1 - x } else { x };
                        let y = if swaps_y && y < rows { rows - 1 - y } else { y };
                        (seen[at] - table[usize::from(bytes[y * width + x])]).abs() < 1e-3
                    })
                };
                [(false, false), (true, false), (false, true), (true, true)]
                    .iter()
                    .any(|m| in_mirror(m.0, m.1))
            };
            loaded.samples.iter().filter(|sample| is_alike(sample)).count()
        };
        assert_eq!((as_in_use(1.0), as_in_use(0.0)), (24, 0), "{view:?}");
    }
}

#[test]
fn what_cannot_be_trained_is_refused_with_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let items = spots(dir.path());
    let says = |items: &[LabelledItem], settings: &TrainSettings, init: Option<&Model>| {
        let refused = set_up(items, &[], settings, init).err().map(|error| error.to_string());
        refused.unwrap_or_else(|| "nothing".to_owned())
    };
    let defects = TrainSettings { task: Some(Task::Defect), ..small() };
    let renamed: Vec<LabelledItem> = items
        .iter()
        .filter(|item| item.label.is_good())
        .map(|item| LabelledItem { label: Label::confirmed("ok"), ..item.clone() })
        .collect();
    assert!(says(&renamed, &small(), None).contains("found only ok"));
    let hint = says(&renamed, &defects, None);
    assert!(hint.contains("found only ok. Hint: ") && hint.contains("\"good\""), "{hint}");
    let good: Vec<LabelledItem> = items.iter().filter(|item| item.label.is_good()).cloned().collect();
    let shipped = |name: &str| crate::infer::shipped(name).unwrap();
    for (init, expected) in [
        (None, "found only good items"),
        // Its classes are no data.
        (Some(shipped("phone-line")), "found only good items"),
        (Some(shipped("motor-sound")), "it listens to sounds, and the items are pictures"),
    ] {
        let why = says(&good, &defects, init.as_ref());
        assert!(why.contains(expected), "{why}");
    }
    let naming = TrainSettings { task: Some(Task::Classify), ..small() };
    let why = says(&items, &naming, Some(&shipped("phone-line")));
    assert!(why.contains("it finds defects, and this training is to name items"), "{why}");
    // References stand for good items only where there is something to find.
    let referred = |item: &LabelledItem| LabelledItem {
        label: Label::confirmed("spot"),
        reference: Some(item.path.clone()),
        ..item.clone()
    };
    let referred: Vec<LabelledItem> = items.iter().map(referred).collect();
    assert!(data::goldens(&referred, Some(Task::Classify)).is_empty());
    assert!(!data::goldens(&referred, None).is_empty());
}
