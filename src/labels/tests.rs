//! Round trips of random labels through every format, and mutations that must be found.

use super::export::{hash_files, sheet_bytes};
use super::*;
use crate::domain::{
    BoxPx, Filter, Label, LabelStatus, LabelledItem, MaskRle, MediaKind, Probability, Region, Shape, Vote,
};
use crate::media::{Sound, WavFormat, encode_wav};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;

const CLASSES: [&str; 6] = ["crack", "good", "a, \"b\"\nc", " stain ", "ひび", "null: ~"];

/// A region's class and shape in numbers; what they mean depends on the item.
type RegionSpec = (usize, u8, [u16; 6], Vec<bool>);

#[derive(Clone, Debug)]
pub(super) struct Spec {
    name: String,
    size: [u32; 2],
    media: u8,
    status: u8,
    class: Option<usize>,
    regions: Vec<RegionSpec>,
    transcript: Option<String>,
    group: Option<String>,
    note: Option<String>,
    has_reference: bool,
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-cA-C]{1,2}\\.(png|jpg)",
        Just("../../etc/passwd".to_owned()),
        Just("media/a.png".to_owned()),
        Just("con.png".to_owned()),
        Just("zwei  Wörter\n\"x\".png".to_owned()),
    ]
}

pub(super) fn specs() -> impl Strategy<Value = Spec> {
    let region = (0..CLASSES.len(), 0_u8..8, any::<[u16; 6]>(), prop::collection::vec(any::<bool>(), 150));
    (
        (names(), [1_u32..13, 1_u32..13], 0_u8..16, 0_u8..8, prop::option::of(0..CLASSES.len())),
        prop::collection::vec(region, 0..4),
        (prop::option::weighted(0.2, any::<String>()), prop::option::of(names())),
        (prop::option::of(any::<String>()), prop::bool::weighted(0.2)),
    )
        .prop_map(
            |((name, size, media, status, class), regions, (transcript, group), (note, has_reference))| {
                Spec { name, size, media, status, class, regions, transcript, group, note, has_reference }
            },
        )
}

fn shape(kind: MediaKind, [w, h]: [u32; 2], number: u8, v: [u16; 6], bits: &[bool]) -> Shape {
    let px = |i: usize| f32::from(v[i] % 1600) / 100.0 - 1.5;
    // Most lie inside the sound, some beyond it.
    let secs = |i: usize| f64::from(v[i]) / 2.6e5;
    let hz = |i: usize| f64::from(v[i]) / 240.0;
    match (kind, number) {
        (_, 0) => Shape::Whole,
        (MediaKind::Audio, _) => Shape::Span {
            span_secs: [secs(0), secs(0) + secs(1)],
            band_hz: number.is_multiple_of(2).then(|| [hz(2), hz(2) + hz(3)]),
        },
        (_, 1) => Shape::Polygon((0..3).map(|i| [px(2 * i), px(2 * i + 1)]).collect()),
        (_, 2..=4) => Shape::Mask(MaskRle::from_fn(w, h, |x, y| bits[(y * 12 + x) as usize])),
        _ => Shape::Box(BoxPx::new(px(0), px(1), px(0) + 0.1 + px(2).abs(), px(1) + 0.1 + px(3).abs())),
    }
}

/// A sound of 0.1 to 1.2 s with up to 24 bits a sample, other samples for other seeds.
pub(super) fn wave([w, h]: [u32; 2], seed: usize) -> Vec<u8> {
    let channels = 1 + h % 2;
    let samples = (0..100 * w * channels).map(|i| {
        let mixed = (i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed as u32 * 97) >> 8;
        mixed as f32 / 8_388_608.0 - 1.0
    });
    let sound = Sound { rate_hz: 1000 + h, channels, samples: samples.collect() };
    encode_wav(&sound, if seed.is_multiple_of(2) { WavFormat::Pcm16 } else { WavFormat::Pcm24 })
}

pub(super) fn item_of(dir: &Path, index: usize, spec: &Spec) -> LabelledItem {
    let kind = if spec.media < 4 { MediaKind::Audio } else { MediaKind::Image };
    let path = dir.join(format!("{index}.blob"));
    match spec.media {
        0 => fs::write(&path, [b"fLaC", &[index as u8; 9][..]].concat()).unwrap(),
        1..4 => fs::write(&path, wave(spec.size, index)).unwrap(),
        4 => fs::write(&path, b"no picture").unwrap(),
        _ => {
            let [w, h] = spec.size;
            picture::write_grey(&path, spec.size, &vec![index as u8; (w * h) as usize]).unwrap();
        }
    }
    let regions = spec.regions.iter().map(|(class, number, v, bits)| Region {
        class: CLASSES[*class].to_owned(),
        shape: shape(kind, spec.size, *number, *v, bits),
        score: (v[5] % 3 == 0).then(|| Probability::saturating(f64::from(v[5]) / 7e4)),
    });
    let status = match spec.status {
        5 => LabelStatus::CannotTell,
        6 => LabelStatus::BadInput,
        7 => LabelStatus::Disputed,
        _ => LabelStatus::Confirmed,
    };
    let mut extra: BTreeMap<_, _> = [("fold".to_owned(), serde_json::json!(spec.status))].into();
    if let Some(note) = &spec.note {
        extra.insert("note \"1\"".to_owned(), serde_json::json!({ "text": note, "x": [0.1, null] }));
    }
    LabelledItem {
        kind,
        reference: spec.has_reference.then(|| path.clone()),
        path,
        name: spec.name.clone(),
        group: spec.group.clone().unwrap_or_else(|| spec.name.clone()),
        label: Label {
            status,
            class: spec.class.map(|i| CLASSES[i].to_owned()),
            regions: regions.collect(),
            transcript: spec.transcript.clone(),
        },
        votes: spec.note.iter().map(|note| Vote { rater: note.clone(), label: "good".to_owned() }).collect(),
        extra,
    }
}

pub(super) fn provenance() -> Provenance {
    Provenance {
        line: "test \"line\"".to_owned(),
        folder: String::new(),
        head: Some("3:abc".to_owned()),
        exported_at: "2026-01-01T00:00:00Z".to_owned(),
    }
}

#[track_caller]
pub(super) fn export_and_check(items: &[LabelledItem], format: Format, out: &Path) -> CountSheet {
    let sheet = export(items, format, out, &provenance()).unwrap();
    let report = check_export(out, Some(items)).unwrap();
    assert!(report.ok, "{format}: {:#?}", report.differences);
    assert_eq!(sheet.written + sheet.left_out.values().sum::<u64>(), items.len() as u64);
    assert_eq!(report.digest, sheet.digest);
    sheet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn random_labels_survive_every_format(specs in prop::collection::vec(specs(), 0..9)) {
        let dir = tempfile::tempdir().unwrap();
        let items: Vec<LabelledItem> =
            specs.iter().enumerate().map(|(i, spec)| item_of(dir.path(), i, spec)).collect();
        for format in Format::ALL {
            let out = dir.path().join(format.as_str());
            export_and_check(&items, format, &out);
            let again = read(&out, &Filter::default()).unwrap();
            prop_assert_eq!(&again.skipped, &[]);
            for (again, item) in again.items.into_iter().zip(&items) {
                prop_assert_eq!(fs::read(&again.path).unwrap(), fs::read(&item.path).unwrap());
                prop_assert_eq!(again.reference.is_some(), item.reference.is_some());
                let again = LabelledItem { path: item.path.clone(), reference: item.reference.clone(), ..again };
                prop_assert_eq!(&again, item);
            }
        }
    }
}

/// Two defects that every format can say, one good item, and one of everything that none can.
fn plain_items(dir: &Path) -> Vec<LabelledItem> {
    let spec = |name: &str| Spec {
        name: name.to_owned(),
        size: [12, 9],
        media: 5,
        status: 0,
        class: None,
        regions: Vec::new(),
        transcript: None,
        group: None,
        note: None,
        has_reference: false,
    };
    let mask = |inside: fn(u32, u32) -> bool| Shape::Mask(MaskRle::from_fn(12, 9, inside));
    let names = ["a.png", "b.png", "good.png", "cannot.png", "bad.png", "disputed.png", "whole.png"];
    let mut items: Vec<LabelledItem> =
        names.iter().enumerate().map(|(i, name)| item_of(dir, i, &spec(name))).collect();
    items[0].label.regions = vec![Region::new("crack", mask(|x, y| x < 5 && y < 5 && (x, y) != (2, 2)))];
    items[1].label.regions = vec![
        Region::new("stain", mask(|x, y| x + y < 4 || x > 9)),
        Region::new("crack", mask(|x, y| x == 7 && y > 3)),
    ];
    items[2].label.class = Some("good".to_owned());
    items[3].label.status = LabelStatus::CannotTell;
    items[4].label.status = LabelStatus::BadInput;
    items[5].label.status = LabelStatus::Disputed;
    items[6].label.class = Some("crack".to_owned());
    items
}

#[test]
fn what_a_format_cannot_say_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let items = plain_items(dir.path());
    for format in [Format::Coco, Format::Yolo, Format::YoloSeg, Format::Voc, Format::Masks] {
        let out = dir.path().join(format.as_str());
        let sheet = export_and_check(&items, format, &out);
        assert_eq!(sheet.written, 3, "{format}");
        assert_eq!(
            sheet.classes,
            [("crack", 3), ("good", 1), ("stain", 1)].map(|(k, n)| (k.to_owned(), n)).into()
        );
        let missing = match format {
            Format::Coco | Format::Yolo | Format::Voc => "defect without region",
            Format::YoloSeg => "defect without outline",
            _ => "defect without pixels",
        };
        let expected = [("cannot tell", 1), ("bad input", 1), ("disputed", 1), (missing, 1)];
        assert_eq!(sheet.left_out, expected.map(|(k, n)| (k.to_owned(), n)).into(), "{format}");
        let pictures: Vec<String> = super::export::files_below(&out)
            .unwrap()
            .into_iter()
            .filter(|f| f.starts_with("images/"))
            .collect();
        assert!(pictures.iter().all(|f| !f.contains("cannot") && !f.contains("whole")), "{pictures:?}");
    }
    assert!(matches!(
        export(&items, Format::Csv, &dir.path().join("coco"), &provenance()),
        Err(LabelsError::OutInUse { .. })
    ));
    assert!(matches!(check_export(dir.path(), None), Err(LabelsError::NotAnExport { .. })));
}

#[test]
fn every_changed_missing_or_added_file_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let items = plain_items(dir.path());
    for format in Format::ALL {
        let out = dir.path().join(format.as_str());
        export_and_check(&items, format, &out);
        let is_found = || !check_export(&out, None).is_ok_and(|report| report.ok);
        for name in super::export::files_below(&out).unwrap() {
            let path = out.join(&name);
            let bytes = fs::read(&path).unwrap();
            // A new file each time: pictures may be linked under two names.
            let put = |bytes: &[u8]| {
                fs::remove_file(&path).unwrap();
                fs::write(&path, bytes).unwrap();
            };
            let mut changed = bytes.clone();
            changed.push(b' ');
            put(&changed);
            assert!(is_found(), "{format}: {name} grew");
            put(bytes.get(bytes.len() / 2..).unwrap_or_default());
            // Empty files (the labels of good pictures) have no half to lose.
            assert!(is_found() || bytes.is_empty(), "{format}: {name} cut");
            fs::remove_file(&path).unwrap();
            assert!(is_found(), "{format}: {name} deleted");
            fs::write(&path, &bytes).unwrap();
            assert!(!is_found(), "{format}: {name} restored");
        }
        fs::write(out.join("more.txt"), "").unwrap();
        assert!(is_found(), "{format}: added");
    }
}

/// Replaces text in one file and makes all hashes fit again.
pub(super) fn forge(out: &Path, file: &str, from: &str, to: &str) {
    let path = out.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}: {text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    rehash(out);
}

pub(super) fn rehash(out: &Path) {
    let hashes = hash_files(out).unwrap();
    let mut sheet: CountSheet = serde_json::from_slice(&fs::read(out.join("counts.json")).unwrap()).unwrap();
    sheet.digest = sheet.digest_with(&hashes).unwrap();
    fs::write(out.join("files.b3"), hashes).unwrap();
    fs::write(out.join("counts.json"), sheet_bytes(&sheet).unwrap()).unwrap();
}

#[track_caller]
pub(super) fn expect_difference(items: &[LabelledItem], format: Format, part: &str, change: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    export_and_check(items, format, &out);
    change(&out);
    let report = check_export(&out, Some(items)).unwrap();
    assert!(
        !report.ok && report.differences.iter().any(|line| line.contains(part)),
        "{format}: no \"{part}\" in {:?}",
        report.differences
    );
}

#[test]
fn contents_are_compared_and_not_only_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let items = plain_items(dir.path());
    let split = |name: &str| Split::of_group(name).short();
    let (a, b, good) = (split("a.png"), split("b.png"), split("good.png"));
    let is = |format, part: &str, change: &dyn Fn(&Path)| expect_difference(&items, format, part, change);
    is(Format::Jsonl, "differs from the truth", &|out| forge(out, "items.jsonl", "confirmed", "bad input"));
    is(Format::Jsonl, "class of", &|out| {
        forge(out, "items.jsonl", "\"label\":\"good\"", "\"label\":\"fine\"");
    });
    is(Format::Jsonl, "not in the export: \"good.png\"", &|out| {
        let text = fs::read_to_string(out.join("items.jsonl")).unwrap();
        let kept: String =
            text.lines().filter(|l| !l.contains("good.png")).map(|l| format!("{l}\n")).collect();
        fs::write(out.join("items.jsonl"), kept).unwrap();
        rehash(out);
    });
    is(Format::Coco, "annotation", &|out| forge(out, "coco.json", "\"bbox\":[0.0", "\"bbox\":[1.0"));
    is(Format::Coco, "region 1", &|out| forge(out, "coco.json", "\"category_id\":1", "\"category_id\":2"));
    is(Format::Coco, "differs from the", &|out| {
        forge(out, "coco.json", "\"category_id\":1", "\"category_id\":2");
    });
    is(Format::Yolo, "0 regions, expected 1", &|out| {
        fs::write(out.join(format!("labels/{a}/a.txt")), "").unwrap();
    });
    is(Format::Yolo, "region 1", &|out| forge(out, &format!("labels/{b}/b.txt"), "1 ", "0 "));
    is(Format::Yolo, "counts as good", &|out| {
        fs::remove_file(out.join(format!("labels/{good}/good.txt"))).unwrap();
    });
    is(Format::Yolo, "region 1", &|out| forge(out, "data.yaml", "crack", "crock"));
    is(Format::YoloSeg, "cover", &|out| {
        let file = format!("labels/{b}/b.txt");
        let text = fs::read_to_string(out.join(&file)).unwrap();
        let one_less: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
        fs::write(out.join(file), one_less).unwrap();
    });
    is(Format::Voc, "region 1", &|out| forge(out, "Annotations/a.xml", "<xmax>5</xmax>", "<xmax>6</xmax>"));
    is(Format::Voc, "list different", &|out| forge(out, &format!("ImageSets/Main/{a}.txt"), "a\n", ""));
    is(Format::Masks, "index mask differs", &|out| {
        picture::write_grey(&out.join("class_masks/a.png"), [12, 9], &[1; 108]).unwrap();
    });
    is(Format::Masks, "no pixel truth", &|out| {
        picture::write_grey(&out.join("class_masks/whole.png"), [12, 9], &[0; 108]).unwrap();
    });
    is(Format::Csv, "rows in labels.csv", &|out| forge(out, "labels.csv", ",good.png,", ",gold.png,"));
    is(Format::Csv, "mask picture differs", &|out| {
        picture::write_grey(&out.join("defect_masks/a.png"), [12, 9], &[255; 108]).unwrap();
    });
}

/// Area, box and a sum over the pixels (each counts its column + 100 × its row) of the three
/// masks in `plain_items`, as pycocotools 2.0.11 (`COCO(…).annToMask`) read them from this export.
#[test]
fn coco_masks_have_the_pixels_that_pycocotools_sees() {
    let by_pycocotools =
        [(1, 24, [0, 0, 5, 5], 4848), (2, 28, [0, 0, 12, 9], 8399), (1, 5, [7, 4, 1, 5], 3035)];
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    export_and_check(&plain_items(dir.path()), Format::Coco, &out);
    let coco: serde_json::Value = serde_json::from_slice(&fs::read(out.join("coco.json")).unwrap()).unwrap();
    let annotations = coco["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), by_pycocotools.len());
    for (annotation, (class, area, bbox, sum)) in annotations.iter().zip(by_pycocotools) {
        assert_eq!(annotation["category_id"], class);
        assert_eq!(annotation["area"], f64::from(area));
        assert_eq!(annotation["bbox"], serde_json::json!(bbox.map(f64::from)));
        let mask: MaskRle = serde_json::from_value(annotation["segmentation"].clone()).unwrap();
        let pixels = mask.to_pixels();
        let weights = (0..9).flat_map(|y| (0..12).map(move |x| x + 100 * y));
        let found: u32 = pixels.iter().zip(weights).map(|(&inside, weight)| u32::from(inside) * weight).sum();
        assert_eq!(found, sum);
    }
}

/// A JPEG with the EXIF orientation "rotate by 90°" is as wide as its stored rows are many.
#[test]
fn sizes_are_those_of_the_upright_picture() {
    let dir = tempfile::tempdir().unwrap();
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode(&[90; 20 * 10], 20, 10, image::ExtendedColorType::L8)
        .unwrap();
    let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
    let path = dir.path().join("blob");
    fs::write(&path, turned).unwrap();
    assert_eq!(picture::upright_size(&path), Ok([10, 20]));
    let item = LabelledItem {
        name: "x.jpeg".to_owned(),
        label: Label {
            regions: vec![Region::new("crack", Shape::Box(BoxPx::new(1.0, 15.0, 9.0, 19.0)))],
            ..Label::confirmed("crack")
        },
        path,
        ..plain_items(dir.path()).remove(0)
    };
    for format in Format::ALL {
        let sheet = export_and_check(std::slice::from_ref(&item), format, &dir.path().join(format.as_str()));
        assert_eq!(sheet.simplified.get("box cut at the picture's edge"), None);
    }
    let coco = fs::read_to_string(dir.path().join("coco/coco.json")).unwrap();
    assert!(coco.contains("\"file_name\":\"media/x.jpg\",\"width\":10,\"height\":20"), "{coco}");
}

#[test]
fn shared_data_exports_and_checks() {
    let base = std::env::var_os("SECONDLOOK_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    for (name, filter) in [("magnetic-tile", "fold=0"), ("deeppcb", "board=00041"), ("fsdd", "group=jackson")]
    {
        let dir = base.join(name);
        if !dir.is_dir() {
            println!("SKIPPED: no data set at {}", dir.display());
            continue;
        }
        let mut items = read(&dir, &Filter::parse(&[filter]).unwrap()).unwrap().items;
        items.truncate(120);
        let out = tempfile::tempdir().unwrap();
        for format in Format::ALL {
            export_and_check(&items, format, &out.path().join(format.as_str()));
        }
    }
}
