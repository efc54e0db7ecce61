//! Promise: sounds take the same way as pictures, and nothing is lost where they meet.

use crate::floor::{Floor, png};
use secondlook::domain::{
    CutBy, EnergyCut, Level, Prediction, RecordingRule, Task, TranscriptRule, VoiceCut,
};
use secondlook::engine::find_model;
use secondlook::media::{Sound, WavFormat, encode_wav};
use std::fs;

const RATE_HZ: u32 = 8_000;

/// Noise from a fixed seed, louder at each of these seconds.
fn knocks(secs: f64, at: &[f64], seed: u32) -> Vec<u8> {
    let mut state = seed;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    let frames = (secs * f64::from(RATE_HZ)) as u32;
    let samples = (0..frames).map(|frame| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * 1e-3;
        let secs = f64::from(frame) / f64::from(RATE_HZ);
        if at.iter().any(|at| (0.0..0.1).contains(&(secs - at))) { noise * 500.0 } else { noise }
    });
    let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples: samples.collect() };
    encode_wav(&sound, WavFormat::Float32)
}

/// A line into which recordings come.
fn cutting() -> Floor {
    Floor::new(|plan| {
        let cut = CutBy::Energy(EnergyCut::default());
        plan.recordings = Some(RecordingRule { cut, ..RecordingRule::default() });
    })
}

fn record(floor: &Floor, name: &str, bytes: &[u8]) {
    let folder = floor.path.join("recordings");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn a_recording_becomes_clips_and_each_is_decided_once() {
    let floor = cutting();
    let night = knocks(4.0, &[0.8, 2.6], 7);
    record(&floor, "night.wav", &night);
    let ran = floor.run_once();
    assert_eq!((ran.summary.arrived, ran.summary.review), (2, 2), "{:?}", ran.said);
    let rows = floor.rows();
    assert!(rows.iter().all(|row| row.name.starts_with("night_") && row.code == "no_model"), "{rows:?}");
    assert_eq!(fs::read(floor.path.join("recordings/done/night.wav")).unwrap(), night, "kept as it came");
    // A station that was killed before the recording moved away cuts it again.
    record(&floor, "night.wav", &night);
    let again = floor.run_once();
    assert_eq!((again.summary.arrived, again.summary.known), (0, 2), "{:?}", again.said);
    floor.check();
}

/// By a voice that no shipped package was trained on.
#[test]
fn what_is_said_in_a_recording_is_cut_out_read_and_asked() {
    let floor = Floor::new(|plan| {
        plan.task = Task::Transcribe;
        plan.classes.clear();
        plan.transcript.words = TranscriptRule::default().digits.to_vec();
        let cut = CutBy::Voice(VoiceCut::default());
        plan.recordings = Some(RecordingRule { cut, ..RecordingRule::default() });
    });
    let model = find_model(None, "spoken-digits").unwrap();
    floor.line().promote(&model, "ann", "the shipped one").unwrap();
    record(&floor, "desk.flac", &fs::read("tests/fixtures/sound/spoken.flac").unwrap());
    let ran = floor.run_once();
    assert_eq!((ran.summary.arrived, ran.summary.review), (2, 2), "{:?}", ran.said);
    let raw = floor.raw();
    let mut read = raw
        .prepare("SELECT p.payload FROM predictions p JOIN items i USING (item_id) ORDER BY i.name")
        .unwrap();
    let said: Vec<String> = read
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|payload| serde_json::from_str::<Prediction>(&payload.unwrap()).unwrap())
        .map(|prediction| {
            let readings = prediction.probabilities.into_iter();
            readings.max_by(|a, b| a.1.get().total_cmp(&b.1.get())).unwrap().0
        })
        .collect();
    assert_eq!(said, ["three one four", "seven"]);
    floor.check();
}

#[test]
fn a_recording_that_cannot_be_cut_ends_at_a_person_and_an_empty_one_is_told() {
    let floor = cutting();
    record(&floor, "notes.wav", b"no sound at all");
    let night = knocks(3.0, &[1.0], 9);
    record(&floor, "cut off.wav", &night[..night.len() / 2]);
    record(&floor, "silence.wav", &knocks(3.0, &[], 11));
    let ran = floor.run_once();
    for name in ["notes.wav", "cut off.wav"] {
        let row = floor.row(name);
        assert_eq!((row.outcome.as_str(), row.code.as_str()), ("review", "undecodable"), "{row:?}");
        assert!(floor.path.join("recordings/done").join(name).exists());
    }
    let said = |part: &str| ran.said.iter().any(|said| said.contains(part));
    assert!(said("nothing is heard in the recording silence.wav"), "{:?}", ran.said);
    assert!(said("goes to a person as it is"), "{:?}", ran.said);
    assert_eq!(ran.summary.arrived, 2);
    floor.check();
}

#[test]
fn a_sound_for_a_model_that_looks_goes_to_a_person_and_is_no_fault_of_the_model() {
    let floor = Floor::permissive(|_| {});
    // More than any number of faults that would lower the level.
    for seed in 0..30 {
        floor.put(format!("{seed}.wav"), &knocks(0.2, &[], seed));
        floor.put(format!("{seed}.png"), &png(seed));
    }
    let ran = floor.run_once();
    assert_eq!((ran.summary.passed, ran.summary.review), (30, 30), "{:?}", ran.said);
    let row = floor.row("7.wav");
    assert_eq!((row.decided_by.as_str(), row.code.as_str()), ("station", "not_for_model"), "{row:?}");
    assert!(!ran.said.iter().any(|said| said.contains("alarm")), "{:?}", ran.said);
    assert_eq!(floor.line().store.view().settings().unwrap().level, Level::Partial);
    floor.check();
}
