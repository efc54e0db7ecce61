//! Labels of sounds: out as label tracks, selection tables and cut-outs, and in without a list.

use super::tests::{expect_difference, export_and_check, forge, item_of, provenance, rehash, specs, wave};
use super::*;
use crate::domain::{Filter, Label, LabelStatus, LabelledItem, MediaKind, Region, Shape, TranscriptRule};
use crate::media::{Sound, SoundFile, WavFormat, decode_sound, encode_wav};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;

/// A transcript where nothing else is known.
fn text_alone(label: &Label) -> Option<&str> {
    label.transcript.as_deref().filter(|_| label.class.is_none() && label.regions.is_empty())
}

/// What a label says of a sound: classes with their places, nothing for a good one.
fn said(label: &Label, sound: &SoundFile, all_bands_known: bool) -> Vec<String> {
    let all_hz = f64::from(sound.rate_hz()) / 2.0;
    let own = label.class.iter().filter(|class| *class != Label::GOOD);
    let own = own.filter(|class| label.regions.iter().all(|region| region.class != **class));
    let mut said: Vec<String> = own.map(|class| format!("{class} whole")).collect();
    said.extend(text_alone(label).map(|text| format!("{text} whole")));
    for region in &label.regions {
        let Shape::Span { span_secs: [start, end], band_hz } = region.shape else {
            said.push(format!("{} whole", region.class));
            continue;
        };
        let band = band_hz.filter(|[low, high]| all_bands_known || *low > 1.0 || *high < all_hz - 1.0);
        let is_whole = band.is_none() && start <= 0.0005 && end >= sound.secs() - 0.0005;
        let place = if is_whole { "whole".to_owned() } else { format!("{start} {end} {band:?}") };
        said.push(format!("{} {place}", region.class));
    }
    said.retain(|what| what != "good whole");
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn labels_of_sounds_come_back_without_their_list(specs in prop::collection::vec(specs(), 1..9)) {
        let dir = tempfile::tempdir().unwrap();
        let items: Vec<LabelledItem> =
            specs.iter().enumerate().map(|(i, spec)| item_of(dir.path(), i, spec)).collect();
        for format in [Format::Audacity, Format::Raven] {
            let out = dir.path().join(format.as_str());
            let sheet = export(&items, format, &out, &provenance()).unwrap();
            let listed = read(&out, &Filter::default()).unwrap().items;
            let listed: BTreeMap<_, _> = listed.into_iter().map(|item| (item.path, item.label)).collect();
            if sheet.written == 0 {
                let refused = read(&out.join("media"), &Filter::default());
                prop_assert!(matches!(refused, Err(LabelsError::NotADataSet { .. })), "no labels, no data set");
                continue;
            }
            let again = read(&out.join("media"), &Filter::default()).unwrap();
            prop_assert_eq!(again.items.len() as u64, sheet.written);
            for item in again.items {
                let sound = SoundFile::new(fs::File::open(&item.path).unwrap()).unwrap();
                let is_audacity = format == Format::Audacity;
                let (found, label) = (item.label, &listed[&item.path]);
                prop_assert_eq!(said(&found, &sound, is_audacity), said(label, &sound, is_audacity));
                let classes = text_alone(label).map_or_else(|| label.classes(), |text| [text].into());
                prop_assert_eq!(found.classes(), classes);
                prop_assert_eq!(found.status, LabelStatus::Confirmed);
            }
        }
    }
}

fn span(class: &str, span_secs: [f64; 2], band_hz: Option<[f64; 2]>) -> Region {
    Region::new(class, Shape::Span { span_secs, band_hz })
}

/// Two sounds that every format of the time axis can say, a good one, and what none can.
fn sounds(dir: &Path) -> Vec<LabelledItem> {
    let item = |name: &str, bytes: &[u8], label: Label| {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        let kind = if path.extension().is_some_and(|extension| extension == "png") {
            MediaKind::Image
        } else {
            MediaKind::Audio
        };
        LabelledItem {
            path,
            name: name.to_owned(),
            kind,
            reference: None,
            group: format!("unit {name}"),
            label,
            votes: Vec::new(),
            extra: [("fold".to_owned(), serde_json::json!(2))].into(),
        }
    };
    let status = |status| Label { status, ..Label::confirmed("rub") };
    let mut rub = Label::confirmed("rub");
    rub.regions = vec![
        span("rub", [0.1, 0.25], Some([120.5, 400.0])),
        span("knock", [0.5, 0.7], None),
        span("a \"squeak\"", [0.3001, 0.3004], None),
    ];
    vec![
        item("a.wav", &wave([8, 1], 0), rub),
        item("b.wav", &wave([3, 2], 1), Label::confirmed("hum, low")),
        item("good.wav", &wave([2, 2], 2), Label::confirmed("good")),
        item("cannot.wav", &wave([2, 2], 3), status(LabelStatus::CannotTell)),
        item("broken.wav", b"RIFF\x10\0\0\0WAVE", Label::confirmed("hum, low")),
        item("picture.png", b"no matter", Label::confirmed("good")),
    ]
}

#[test]
fn tracks_tables_and_cuts_hold_what_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let items = sounds(dir.path());
    for format in [Format::Audacity, Format::Raven, Format::Cuts] {
        let sheet = export_and_check(&items, format, &dir.path().join(format.as_str()));
        assert_eq!(sheet.written, 3, "{format}");
        let expected = [("cannot tell", 1), ("unreadable sound", 1), ("picture", 1)];
        assert_eq!(sheet.left_out, expected.map(|(k, n)| (k.to_owned(), n)).into(), "{format}");
    }
    let text = |file: &str| fs::read_to_string(dir.path().join(file)).unwrap();
    assert_eq!(
        text("audacity/media/a.txt"),
        "0.1\t0.25\trub\n\\\t120.5\t400.0\n0.5\t0.7\tknock\n0.3001\t0.3004\ta \"squeak\"\n"
    );
    assert_eq!(text("audacity/media/good.txt"), "");
    let header =
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n";
    assert_eq!(
        text("raven/media/b.Table.1.selections.txt"),
        format!("{header}1\tSpectrogram 1\t1\t0.0\t{}\t0.0\t501.0\thum, low\n", 300.0 / 1002.0)
    );
    assert_eq!(text("raven/media/good.Table.1.selections.txt"), header);
    assert!(!dir.path().join("audacity/media/cannot.txt").exists());
}

/// Sounds of which it is written down what is said, and one of which it is not.
fn spoken(dir: &Path) -> Vec<LabelledItem> {
    let said = |text: &str| Label { class: None, transcript: Some(text.to_owned()), ..Label::confirmed("") };
    let mut items = sounds(dir);
    items.truncate(4);
    items[0].label = said("three \"four\"");
    items[1].label = said("");
    items[2].label.transcript = Some("good".into());
    items
}

#[test]
fn a_manifest_says_what_was_said_and_by_whom_and_is_read_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (spoken(dir.path()), dir.path().join("out"));
    let sheet = export_and_check(&items, Format::Manifest, &out);
    assert_eq!((sheet.written, sheet.left_out), (3, [("cannot tell".to_owned(), 1)].into()));
    let text = fs::read_to_string(out.join("manifest.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let expected = serde_json::json!({
        "audio_filepath": "media/a.wav", "duration": 800.0 / 1001.0, "text": "three \"four\"",
        "speaker": "unit a.wav",
    });
    assert_eq!(first, expected);
    fs::remove_file(out.join("items.jsonl")).unwrap();
    let again = read(&out, &Filter::default()).unwrap();
    assert_eq!(again.skipped, []);
    let said: Vec<_> =
        again.items.iter().map(|item| (item.group.as_str(), item.label.transcript.as_deref())).collect();
    let expected = [("unit a.wav", "three \"four\""), ("unit b.wav", ""), ("unit good.wav", "good")];
    assert_eq!(said, expected.map(|(group, text)| (group, Some(text))));
    let is = |part: &str, from: &str, to: &str| {
        expect_difference(&items, Format::Manifest, part, |out| forge(out, "manifest.jsonl", from, to));
    };
    is("expected {", "three", "four");
    is("expected {", "unit a.wav", "unit b.wav");
    is("expected {", "\"duration\":0.", "\"duration\":1.");
    is("cannot say this item", "media/a.wav", "media/cannot.wav");
}

#[test]
fn manifests_of_other_programs_are_read_and_parts_of_recordings_refused() {
    let lines = concat!(
        "{\"audio_filepath\": \"a.wav\", \"duration\": 1.0, \"text\": \"one\", \"speaker\": 7, \"lang\": \"en\"}\n",
        "{\"audio_filepath\": \"b.wav\", \"duration\": 0.5, \"offset\": 2.0, \"text\": \"two\"}\n",
        "{\"audio_filepath\": \"b.wav\", \"text\": \"two\", \"label\": \"x\"}\n",
        "{\"audio_filepath\": \"/b.wav\", \"text\": \"two\"}\n",
        "{\"audio_filepath\": \"b.wav\"}\n",
    );
    let again = b"{\"audio_filepath\": \"./a.wav\", \"text\": \"one\"}\n{\"audio_filepath\": \"b.wav\", \"text\": \"two\"}\n";
    let dir = folder(&[
        ("a.wav", b"sound"),
        ("b.wav", b"sound"),
        ("a_manifest.json", lines.as_bytes()),
        ("test_manifest.jsonl", again),
    ]);
    let data = read(dir.path(), &Filter::default()).unwrap();
    let items: Vec<_> = data.items.iter().map(|item| (item.name.as_str(), item.group.as_str())).collect();
    assert_eq!(items, [("a.wav", "7"), ("b.wav", "b.wav")]);
    assert_eq!(data.items[0].extra["lang"], "en");
    let reasons =
        ["part of a recording", "\"label\" means", "leads out", "missing field `text`", "another manifest"];
    assert_eq!(data.skipped.len(), reasons.len(), "{:?}", data.skipped);
    for (skipped, part) in data.skipped.iter().zip(reasons) {
        assert!(skipped.reason.contains(part), "{skipped:?} has no \"{part}\"");
    }
}

#[test]
fn a_track_carries_a_transcript_as_one_label_where_no_word_has_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut items = spoken(dir.path());
    items[2].label = Label { class: None, transcript: Some("one two".into()), ..Label::confirmed("") };
    items[2].label.regions = vec![span("one", [0.02, 0.1], None), span("two", [0.1, 0.15], None)];
    let out = dir.path().join("out");
    let sheet = export_and_check(&items, Format::Audacity, &out);
    let left_out = [("cannot tell", 1), ("transcript that a line of text cannot carry", 1)];
    assert_eq!(sheet.left_out, left_out.map(|(why, n)| (why.to_owned(), n)).into());
    let text = |file: &str| fs::read_to_string(out.join("media").join(file)).unwrap();
    assert_eq!(text("a.txt"), format!("0.0\t{}\tthree \"four\"\n", 800.0 / 1001.0));
    assert_eq!(text("good.txt"), "0.02\t0.1\tone\n0.1\t0.15\ttwo\n");
    // Read without their list, both say the same as before.
    let rule = TranscriptRule { punctuation: true, ..TranscriptRule::default() };
    let again = read(&out.join("media"), &Filter::default()).unwrap();
    let said: Vec<String> = again.items.iter().map(|item| rule.truth(&item.label)).collect();
    assert_eq!(said, ["three \"four\"", "one two"]);
}

#[test]
fn cuts_are_the_original_s_samples_and_a_data_set_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (items, out) = (sounds(dir.path()), dir.path().join("out"));
    export_and_check(&items, Format::Cuts, &out);
    let cuts = read(&out.join("cuts"), &Filter::default()).unwrap();
    assert_eq!(cuts.skipped, []);
    let places = [(0, 100, 250), (0, 501, 701), (0, 300, 301), (1, 0, 300), (2, 0, 200)];
    let names = [
        "rub/a.1.wav",
        "knock/a.2.wav",
        "item_a__squeak-5b66933e/a.3.wav",
        "item_hum__low-064cdeee/b.1.wav",
        "good/good.1.wav",
    ];
    assert_eq!(cuts.items.len(), places.len());
    for ((cut, (original, start, end)), name) in cuts.items.iter().zip(places).zip(names) {
        let original = &items[original];
        let whole = decode_sound(&fs::read(&original.path).unwrap()).unwrap();
        let samples = decode_sound(&fs::read(&cut.path).unwrap()).unwrap();
        let channels = whole.channels as usize;
        assert_eq!(cut.name, name);
        assert_eq!((samples.rate_hz, samples.channels), (whole.rate_hz, whole.channels));
        assert_eq!(samples.samples, whole.samples[start * channels..end * channels], "{name}");
        assert_eq!((&cut.group, &cut.extra["fold"]), (&original.group, &original.extra["fold"]));
        assert_eq!(cut.extra["cut"]["frames"], serde_json::json!([start, end]));
        assert_eq!(cut.extra["cut"]["name"], original.name);
    }
    let band = Shape::Span { span_secs: [0.0, 150.0 / 1001.0], band_hz: Some([120.5, 400.0]) };
    assert_eq!(cuts.items[0].label.regions, [Region::new("rub", band)]);
    assert_eq!(cuts.items[1].label, Label::confirmed("knock"));
    for format in Format::ALL {
        export_and_check(&cuts.items, format, &dir.path().join(format.as_str()));
    }
}

/// What libsndfile (soundfile 0.14.0) reads of each cut: rate, channels, frames, and the sum of all
/// samples times 2²³.
#[test]
fn cuts_have_the_samples_that_libsndfile_reads() {
    let by_libsndfile = [
        (1001, 2, 150, -12_185_600.0),
        (1001, 2, 200, 5_832_192.0),
        (1001, 2, 1, -8_474_368.0),
        (1002, 1, 300, 3_934_267.0),
        (1002, 1, 200, 8_105_728.0),
    ];
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    export_and_check(&sounds(dir.path()), Format::Cuts, &out);
    let cuts = read(&out.join("cuts"), &Filter::default()).unwrap();
    let found = cuts.items.iter().map(|cut| {
        let sound = decode_sound(&fs::read(&cut.path).unwrap()).unwrap();
        let sum: f64 = sound.samples.iter().map(|sample| f64::from(*sample) * 8_388_608.0).sum();
        (sound.rate_hz, sound.channels, sound.frames(), sum)
    });
    assert_eq!(found.collect::<Vec<_>>(), by_libsndfile);
}

/// What crowsetta 5.1.2 reads of a table of this program: begin, end, low, high, annotation.
#[test]
fn tables_say_what_crowsetta_reads() {
    let by_crowsetta = [
        (0.1, 0.25, 120.5, 400.0, "rub"),
        (0.5, 0.7, 0.0, 500.5, "knock"),
        (0.3001, 0.3004, 0.0, 500.5, "a \"squeak\""),
    ];
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    export_and_check(&sounds(dir.path()), Format::Raven, &out);
    let text = fs::read_to_string(out.join("media/a.Table.1.selections.txt")).unwrap();
    let rows = text.lines().skip(1).map(|row| {
        let fields: Vec<&str> = row.split('\t').collect();
        let number = |i: usize| fields[i].parse::<f64>().unwrap();
        (number(3), number(4), number(5), number(6), fields[7])
    });
    assert_eq!(rows.collect::<Vec<_>>(), by_crowsetta);
}

#[test]
fn what_cannot_be_cut_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut items = sounds(dir.path());
    items.truncate(2);
    items[0].label.regions[2] = span("knock", [5.0, 6.0], None);
    items[1].label.regions = vec![span("hum, low", [0.1, 0.1], None)];
    let sheet = export_and_check(&items, Format::Cuts, &dir.path().join("out"));
    assert_eq!(sheet.left_out, [("region without samples".to_owned(), 2)].into());
    let tracks = export_and_check(&items, Format::Audacity, &dir.path().join("tracks"));
    assert_eq!((tracks.written, &tracks.left_out), (1, &[("region beyond the sound".to_owned(), 1)].into()));
    // What only ends behind the sound is cut as far as that goes, and said.
    items[0].label.regions[2] = span("knock", [0.7, 6.0], None);
    let sheet = export_and_check(&items[..1], Format::Cuts, &dir.path().join("short"));
    assert_eq!((sheet.written, sheet.simplified.values().sum::<u64>()), (1, 1));
}

#[test]
fn a_sound_whose_name_looks_like_a_table_s_keeps_its_labels() {
    let dir = tempfile::tempdir().unwrap();
    let mut items = sounds(dir.path());
    items.truncate(2);
    items[0].name = "b.selections.wav".to_owned();
    for format in [Format::Audacity, Format::Raven] {
        let out = dir.path().join(format.as_str());
        export_and_check(&items, format, &out);
        let again = read(&out.join("media"), &Filter::default()).unwrap();
        assert_eq!((again.items.len(), again.skipped), (2, Vec::new()), "{format}");
    }
}

#[test]
fn contents_of_sound_formats_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let items = sounds(dir.path());
    let is = |format, part: &str, change: &dyn Fn(&Path)| expect_difference(&items, format, part, change);
    let (track, table) = ("media/a.txt", "media/a.Table.1.selections.txt");
    is(Format::Audacity, "label 1 is", &|out| forge(out, track, "0.25", "0.26"));
    is(Format::Audacity, "label 1 is", &|out| forge(out, track, "120.5", "120"));
    is(Format::Audacity, "1 labels, expected 3", &|out| {
        forge(out, track, "0.5\t0.7\tknock\n0.3001\t0.3004\ta \"squeak\"\n", "");
    });
    is(Format::Audacity, "does not read as labels", &|out| forge(out, track, "0.25\t", "0.25 "));
    is(Format::Audacity, "cannot say this item", &|out| {
        fs::write(out.join("media/cannot.txt"), "").unwrap();
        rehash(out);
    });
    is(Format::Audacity, "labels of no sound", &|out| {
        fs::write(out.join("media/c.txt"), "").unwrap();
        rehash(out);
    });
    is(Format::Audacity, "missing in the format", &|out| {
        fs::remove_file(out.join("media/good.txt")).unwrap();
        rehash(out);
    });
    is(Format::Raven, "label 2 is", &|out| forge(out, table, "knock", "knack"));
    is(Format::Raven, "label 2 is", &|out| forge(out, table, "\t500.5\t", "\t500\t"));
    is(Format::Raven, "does not read as labels", &|out| forge(out, table, "End Time (s)", "End Time"));
    is(Format::Cuts, "not the original's samples", &|out| {
        let path = out.join("cuts/rub/a.1.wav");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
        rehash(out);
    });
    is(Format::Cuts, "not a WAV file of floats", &|out| {
        let path = out.join("cuts/rub/a.1.wav");
        let sound = decode_sound(&fs::read(&path).unwrap()).unwrap();
        fs::write(path, encode_wav(&sound, WavFormat::Pcm24)).unwrap();
        rehash(out);
    });
    let list = "cuts/items.jsonl";
    is(Format::Cuts, "class, place, group", &|out| {
        forge(out, list, "\"label\":\"rub\"", "\"label\":\"hum\"");
    });
    is(Format::Cuts, "class, place, group", &|out| forge(out, list, "[100,250]", "[100,251]"));
    is(Format::Cuts, "class, place, group", &|out| forge(out, list, "unit a.wav", "unit b.wav"));
    is(Format::Cuts, "not in the list of cuts", &|out| {
        fs::write(out.join("cuts/rub/more.wav"), "").unwrap();
        rehash(out);
    });
    is(Format::Cuts, "has no cuts", &|out| forge(out, list, "media/b.wav", "media/cannot.wav"));
    is(Format::Cuts, "cannot be cut", &|out| forge(out, list, "media/b.wav", "media/cannot.wav"));
}

/// A folder with sounds of one second at 1 kHz, and files of labels beside them.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let sound = Sound { rate_hz: 1000, channels: 1, samples: vec![0.25; 1000] };
    for (name, bytes) in files {
        let is_sound = bytes == b"sound";
        let bytes = if is_sound { encode_wav(&sound, WavFormat::Pcm16) } else { bytes.to_vec() };
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// The regions that a file of labels beside a sound says.
#[track_caller]
fn regions_in(file: &str, text: &str) -> Vec<Region> {
    let dir = folder(&[("s.wav", b"sound"), (file, text.as_bytes())]);
    let data = read(dir.path(), &Filter::default()).unwrap();
    assert_eq!(data.skipped, []);
    data.items.into_iter().flat_map(|item| item.label.regions).collect()
}

#[test]
fn tracks_are_read_as_audacity_reads_them() {
    let text = "\u{feff}0.25\t0.25\tpoint at 440 Hz\r\n\\\t440.5\t440.5\r\n\\\tof a format to come\r\n\r\n\
        0.1\t0.2\t a, \"b\" \r\n\\\t-1\t300\n0.2\t0.3\tno upper edge\n\\\t200.000000\t-1.000000\n\
        0.3\t0.4\tno band\n\\\t-1\t-1\n0.125\twithout an end\n0\t1\tall of it\n";
    let expected = [
        span("point at 440 Hz", [0.25, 0.25], Some([440.5, 440.5])),
        span("a, \"b\"", [0.1, 0.2], Some([0.0, 300.0])),
        span("no upper edge", [0.2, 0.3], Some([200.0, 500.0])),
        span("no band", [0.3, 0.4], None),
        span("without an end", [0.125, 0.125], None),
        Region::new("all of it", Shape::Whole),
    ];
    assert_eq!(regions_in("s.txt", text), expected);
}

#[test]
fn tables_are_read_as_raven_writes_them() {
    let text = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tPeak\tAnnotation\n\
        1\tWaveform 1\t1\t0.100000000\t0.250000000\t\t\t\thoot\n\
        1\tSpectrogram 1\t1\t0.100000000\t0.250000000\t120.5\t400.000\t3\thoot\n\
        2\tSpectrogram 1\t1\t0.5\t0.7\t0.0\t499.5\t\trub \n";
    let expected = [span("hoot", [0.1, 0.25], Some([120.5, 400.0])), span("rub", [0.5, 0.7], None)];
    assert_eq!(regions_in("s.Table.1.selections.txt", text), expected);
    assert_eq!(regions_in("s.selections.txt", text), expected);
    let least = "Begin Time (s)\tEnd Time (s)\tAnnotation\n0.1\t0.2\thoot\n0.1\t0.2\thoot\n";
    assert_eq!(regions_in("s.Table.12.selections.txt", least).len(), 2);
}

#[test]
fn one_label_of_everything_is_the_answer_and_none_means_good() {
    let header = "Begin Time (s)\tEnd Time (s)\tAnnotation\n";
    let dir = folder(&[
        ("a.wav", b"sound"),
        ("a.txt", b"0.000000\t1.000000\thum\n"),
        ("b.WAV", b"sound"),
        ("b.txt", b""),
        ("c.wav", b"sound"),
        ("c.Table.1.selections.txt", header.as_bytes()),
        ("notes.md", b"no labels"),
    ]);
    let data = read(dir.path(), &Filter::default()).unwrap();
    assert_eq!(data.skipped, []);
    let labels: Vec<_> = data.items.iter().map(|item| (item.name.as_str(), item.label.clone())).collect();
    let good = || Label::confirmed("good");
    assert_eq!(labels, [("a.wav", Label::confirmed("hum")), ("b.WAV", good()), ("c.wav", good())]);
    assert!(data.items.iter().all(|item| item.kind == MediaKind::Audio && item.group == item.name));
    let only = read(dir.path(), &Filter::parse(&["label=hum"]).unwrap()).unwrap();
    assert_eq!(only.items.len(), 1);
}

#[test]
fn bad_lines_of_labels_are_named() {
    let table = |rows: &str| {
        format!(
            "Selection\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n{rows}\n"
        )
    };
    let bad = [
        ("s.txt", "0.1\t0.2\ta\nx\t0.2\ta\n".to_owned(), "s.txt line 2: \"x\" is not a number"),
        ("s.txt", "0.3\t0.2\ta".to_owned(), "s.txt line 1: ends at 0.2 s, before it starts at 0.3 s"),
        ("s.txt", "-0.3\t0.2\ta".to_owned(), "s.txt line 1: -0.3 s is before"),
        ("s.txt", "inf\tinf\ta".to_owned(), "\"inf\" is not a number"),
        ("s.txt", "\n\n0.1\t0.2\n".to_owned(), "s.txt line 3: has no text"),
        ("s.txt", "0.1\t0.2\t \n".to_owned(), "s.txt line 1: has no text"),
        ("s.txt", "0.1\t0.2\ta\tb\n".to_owned(), "s.txt line 1: is not start, end and text"),
        ("s.txt", "\\\t1\t2\n".to_owned(), "s.txt line 1: is a band before the first label"),
        ("s.txt", "0.1\t0.2\ta\n\\\t3\t2\n".to_owned(), "s.txt line 2: the band 3 to 2 Hz"),
        ("s.txt", "0.1\t0.2\ta\n\\\t3\n".to_owned(), "s.txt line 2: is not a band"),
        ("s.selections.txt", String::new(), "line 1: has no column \"Begin Time (s)\""),
        ("s.selections.txt", table("1\t0.1\t0.2\t1\t2"), "line 2: has 5 fields, and the table 6 columns"),
        ("s.selections.txt", table("1\t0.1\t0.2\t1\t\ta"), "line 2: \"\" is not a number"),
        ("s.txt", "0.1\t1.01\ta".to_owned(), "s.txt line 1: ends at 1.01 s, and the sound at 1 s"),
        (
            "s.txt",
            "0.1\t0.2\ta\n\\\t3\t502\n".to_owned(),
            "s.txt line 2: reaches 502 Hz, and the sound 500 Hz",
        ),
        ("s.selections.txt", table("1\t0.1\t1.2\t1\t2\ta"), "line 2: ends at 1.2 s"),
        ("s.selections.txt", table("1\t0.1\t0.2\t1\t600\ta"), "line 2: reaches 600 Hz"),
        (
            "s.selections.txt",
            table("1\t0.1\t0.2\t1\t2\ta\n1\t0.1\t0.2\t1\t2\tb"),
            "line 3: selection 1 is there with other values",
        ),
    ];
    for (file, text, part) in bad {
        let dir =
            folder(&[("s.wav", b"sound"), (file, text.as_bytes()), ("t.wav", b"sound"), ("t.txt", b"")]);
        let data = read(dir.path(), &Filter::default()).unwrap();
        assert_eq!(data.items.len(), 1, "{part}");
        assert_eq!(data.skipped[0].media.as_deref(), Some("s.wav"));
        assert!(data.skipped[0].reason.contains(part), "{:?} has no {part}", data.skipped);
    }
}

#[test]
fn sounds_without_a_label_of_their_own_are_said() {
    let dir = folder(&[
        ("bare.wav", b"sound"),
        ("both.wav", b"sound"),
        ("both.txt", b""),
        ("both.selections.txt", b""),
        ("broken.wav", b"RIFF"),
        ("broken.txt", b""),
        ("latin.wav", b"sound"),
        ("latin.txt", b"0\t1\tS\xe4ge\n"),
        ("lost.txt", b"0\t1\thum\n"),
        ("ok.flac", b"sound"),
        ("ok.txt", b"0\t1\thum\n"),
        ("twice.aiff", b"sound"),
        ("twice.wav", b"sound"),
        ("twice.txt", b""),
    ]);
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("out.wav")).unwrap();
    fs::write(dir.path().join("out.txt"), "").unwrap();
    let data = read(dir.path(), &Filter::default()).unwrap();
    assert_eq!(data.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["ok.flac"]);
    let expected = [
        ("bare.wav", "no label track or selection table"),
        ("both.wav", "several files of labels: both.selections.txt, both.txt"),
        ("broken.wav", "cannot read the sound"),
        ("latin.wav", "latin.txt line 1: is not UTF-8 text"),
        ("lost.txt", "no sound of this name"),
        ("out.wav", "link"),
        ("twice.aiff", "several sounds"),
        ("twice.wav", "several sounds"),
    ];
    let skipped: Vec<_> = data.skipped.iter().map(|s| s.media.as_deref().unwrap()).collect();
    assert_eq!(skipped, expected.map(|(name, _)| name));
    for (skipped, (_, part)) in data.skipped.iter().zip(expected) {
        assert!(skipped.reason.contains(part), "{skipped:?} has no \"{part}\"");
    }
}
