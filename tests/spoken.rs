//! Promise: what is written down of a sound is measured, promised, checked, compared and released by the
//! same verbs as anything else, and a few voices prove nothing.

use crate::floor::{Floor, Program};
use secondlook::domain::{Level, Limit, Probability, Task, TranscriptRule, Verdict};
use secondlook::media::{Sound, WavFormat, decode_sound, encode_wav};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What is said in `spoken.flac`, and when, in seconds.
const SAID: [(&str, [f64; 2]); 2] = [("three one four", [0.75, 2.25]), ("seven", [2.95, 3.95])];

/// A line on which one reading in five may be wrong, so that few answers suffice.
fn line() -> Floor {
    let p = Probability::saturating;
    Floor::new(|plan| {
        plan.task = Task::Transcribe;
        plan.classes.clear();
        plan.transcript.words = TranscriptRule::default().digits.to_vec();
        plan.promise.error = Some(Limit { limit: p(0.2), confidence: p(0.8) });
        plan.audit.share = 1.0;
        plan.budget.latency_ms_p99 = 60_000.0;
    })
}

/// One of the strings, each time a little quieter, so that no two are the same bytes.
fn clip(number: usize) -> (&'static str, Vec<u8>) {
    let whole = decode_sound(include_bytes!("fixtures/sound/spoken.flac")).unwrap();
    let (text, span_secs) = SAID[number % SAID.len()];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    let [from, to] = span_secs.map(|secs| (secs * f64::from(whole.rate_hz)) as usize);
    let quieter = 1.0 - number as f32 / 500.0;
    let samples = whole.samples[from..to].iter().map(|sample| sample * quieter).collect();
    (text, encode_wav(&Sound { samples, ..whole }, WavFormat::Float32))
}

/// A data set of these strings, said by so many voices.
fn data(folder: &Path, clips: usize, voices: usize) -> String {
    fs::create_dir_all(folder).unwrap();
    let mut rows = String::new();
    for number in 0..clips {
        let (text, bytes) = clip(number);
        fs::write(folder.join(format!("{number}.wav")), bytes).unwrap();
        let voice = number % voices;
        writeln!(rows, r#"{{"media": "{number}.wav", "group": "voice {voice}", "label": "{text}", "transcript": "{text}"}}"#)
            .unwrap();
    }
    fs::write(folder.join("items.jsonl"), rows).unwrap();
    folder.to_str().unwrap().to_owned()
}

/// The shipped package under another name.
fn other(folder: &Path) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/spoken-digits");
    let package = folder.join("other-digits");
    fs::create_dir_all(&package).unwrap();
    fs::copy(shipped.join("weights.safetensors"), package.join("weights.safetensors")).unwrap();
    let text = fs::read_to_string(shipped.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    manifest["name"] = "other-digits".into();
    fs::write(package.join("manifest.json"), manifest.to_string()).unwrap();
    package.to_str().unwrap().to_owned()
}

#[test]
fn a_promise_on_readings_holds_with_many_voices_and_is_refused_with_five() {
    let floor = line();
    let place = floor.path.to_str().unwrap();
    let rows = floor.beside("rows.jsonl");
    let rows = rows.to_str().unwrap();
    let replayed = |clips, voices| {
        let set = data(&floor.beside(&format!("{voices} voices")), clips, voices);
        let measure = ["evaluate", place, "--model", "spoken-digits", "--data", &set, "--predictions", rows];
        let measured = Program::run(&measure).done();
        assert_eq!((&measured["task"], &measured["n"]), (&"transcribe".into(), &clips.into()));
        assert_eq!(measured["word_error_rate"]["value"], 0.0, "{measured}");
        Program::run(&["replay", place, rows]).done()
    };
    let many = replayed(150, 150);
    assert_eq!((&many["supported"], &many["errors"]), (&true.into(), &0.into()), "{many}");
    assert!(many["passed"].as_u64() > Some(50) && many["error_rate"] == 0.0, "{many}");
    let few = replayed(100, 5);
    assert_eq!((&few["supported"], &few["passed"], &few["review"]), (&false.into(), &0.into(), &100.into()));
    assert!(
        many["missing"].is_null() && few["missing"].as_str().is_some_and(|why| why.contains("at most")),
        "{few}"
    );
    // The files themselves are heard and answered as well.
    let set = data(&floor.beside("heard"), 12, 12);
    let heard = Program::run(&["replay", place, &set, "--model", "spoken-digits"]).done();
    assert_eq!(heard["labels_used"], 12, "{heard}");
}

#[test]
fn readings_are_checked_compared_and_released_like_anything_else() {
    let floor = line();
    let place = floor.path.to_str().unwrap();
    Program::run(&["promote", place, "spoken-digits"]).done();
    let nothing = Program::run(&["promise", place]).done();
    assert!(nothing["missing"].as_str().unwrap().contains("nothing that the model has said is known"));
    Program::run(&["shadow", place, &other(&floor.beside(""))]).done();
    let hear = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            floor.put(format!("{number:03}.wav"), &clip(number).1);
        }
        Program::run(&["run", place, "--once"]).done()
    };
    let answer_all = || {
        let mut line = floor.line();
        let waiting = line.store.view().queue(None, 999).unwrap();
        for row in &waiting {
            let number: usize = row.item.unit.parse().unwrap();
            line.answer(&Verdict::of_transcript(row.item.id, "ann", clip(number).0)).unwrap();
        }
        waiting.len()
    };
    let asked = hear(0..60);
    assert_eq!((&asked["passed"], &asked["review"]), (&0.into(), &60.into()), "{asked}");
    assert_eq!(answer_all(), 60);
    let proven = Program::run(&["promise", place]).done();
    assert_eq!((&proven["supported"], &proven["errors"]), (&true.into(), &0.into()), "{proven}");
    Program::run(&["level", place, "partial"]).done();
    let decided = hear(60..70);
    assert_eq!(decided["passed"], 10, "{decided}");
    // Each was drawn for a check, and waits as a question that shows no reading.
    assert_eq!(floor.count("SELECT count(*) FROM queue WHERE code = 'blind'"), 10);
    assert_eq!(answer_all(), 10);
    let kept = Program::run(&["promise", place]).done();
    assert_eq!((&kept["supported"], &kept["pending"]), (&true.into(), &0.into()), "{kept}");

    let compared = Program::run(&["compare", place, "other-digits"]).done();
    assert_eq!((&compared["seen"], &compared["disagreements"]), (&70.into(), &0.into()), "{compared}");
    Program::run(&["canary", place, "other-digits", "--share", "0.5", "--force", "--reason", "a test"])
        .done();
    hear(70..90);
    let by_canary = floor.count("SELECT count(*) FROM decisions WHERE model = 'other-digits'");
    assert!((1..20).contains(&by_canary), "{by_canary} of 20");
    Program::run(&["promote", place, "other-digits"]).done();
    assert_eq!(floor.line().store.view().settings().unwrap().level, Level::Assist, "it has proven nothing");
    Program::run(&["rollback", place]).done();
    let live = floor.line().store.view().settings().unwrap().model.unwrap();
    assert_eq!(live.name, "spoken-digits");
    floor.check();
}
