//! Tests of joining takes, and of a whole training on tones that stand for words.

use super::join::{add_noise, join};
use super::sound::{noise, played, rms, through_band};
use super::*;
use crate::domain::{Label, MediaKind, Prediction, Shape};
use crate::infer::{InputSpec, Levels, View};
use crate::learn::{TrainSettings, evaluate, train};
use crate::media::{Decoded, MelSpec, WavFormat, encode_wav};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn tone(frequency: f32, secs: f32) -> Vec<f32> {
    (0..(secs * RATE_HZ as f32) as usize)
        .map(|i| 0.3 * (TAU * frequency * i as f32 / RATE_HZ as f32).sin())
        .collect()
}

#[test]
fn takes_stand_where_their_pauses_put_them_and_noise_at_its_ratio() {
    let takes = [vec![1.0; 800], vec![0.5; 400]];
    let mut joined = join(&takes, &[0.1, 0.2, 0.05]);
    assert_eq!(joined.samples.len(), 800 + 800 + 1600 + 400 + 400);
    assert_eq!([joined.samples[799], joined.samples[800], joined.samples[3200]], [0.0, 1.0, 0.5]);
    assert!((joined.level - ((800.0 + 100.0) / 1200.0_f32).sqrt()).abs() < 1e-6);
    let early = join(&takes, &[0.0, -0.01, 0.0]).samples;
    assert_eq!((early.len(), early[720], early[719]), (800 + 400 - 80, 1.5, 1.0));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..6 {
        let noise = noise(&mut rng, 4000);
        assert!((rms(&noise) - 1.0).abs() < 1e-3);
        let before = joined.samples.clone();
        add_noise(&mut joined, &noise, 20.0);
        let added: Vec<f32> = joined.samples.iter().zip(&before).map(|(a, b)| a - b).collect();
        assert!((rms(&added) / joined.level - 0.1).abs() < 1e-3);
        joined.samples = before;
    }
    assert_eq!(played(&takes[0], 0.5).len(), 1600);
    let [mut low, mut middle] = [60.0, 1000.0].map(|frequency| tone(frequency, 1.0));
    for samples in [&mut low, &mut middle] {
        through_band(samples, RATE_HZ, 300.0, 3000.0);
    }
    assert!(rms(&low) < 0.02 && (rms(&middle) / (0.3 / 2.0_f32.sqrt()) - 1.0).abs() < 0.1);
}

#[test]
fn a_take_with_an_offset_does_not_click_where_it_begins() {
    let sound = Sound { rate_hz: 16_000, channels: 1, samples: vec![0.25; 1600] };
    for rate_hz in [16_000, RATE_HZ] {
        assert!(at_rate(&sound, rate_hz).iter().all(|v| v.abs() < 1e-6));
    }
    assert!(at_rate(&Sound { samples: Vec::new(), ..sound }, 16_000).is_empty());
}

/// Words as tones: one of three frequencies, a little different each time.
fn takes(dir: &Path) -> Vec<LabelledItem> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    (0..90)
        .map(|number| {
            let (word, frequency) = [("one", 500.0), ("two", 1100.0), ("three", 2300.0)][number % 3];
            let samples = tone(frequency * rng.random_range(0.95..1.05), rng.random_range(0.2..0.3));
            let name = format!("{number}.wav");
            let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples };
            std::fs::write(dir.join(&name), encode_wav(&sound, WavFormat::Pcm16)).unwrap();
            LabelledItem {
                path: dir.join(&name),
                name,
                kind: MediaKind::Audio,
                reference: None,
                group: format!("speaker {}", number / 3 % 6),
                // Names of single words are transcripts, too.
                label: if number % 2 == 0 {
                    Label::confirmed(word)
                } else {
                    Label { class: None, transcript: Some(word.to_uppercase()), ..Label::confirmed("") }
                },
                votes: Vec::new(),
                extra: BTreeMap::new(),
            }
        })
        .collect()
}

#[test]
fn strings_are_learnt_from_single_words() {
    let dir = tempfile::tempdir().unwrap();
    let items = takes(dir.path());
    let rule = TranscriptRule::default();
    let mut settings = TrainSettings::for_speech(&rule);
    settings.epochs = Some(24);
    settings.batch = 4;
    settings.rate = 6e-3;
    settings.average_steps = 40;
    settings.refit = Some(false);
    settings.augmentation.colour = 0.02;
    if let Some(speech) = &mut settings.speech {
        // Tones are told apart by their place alone.
        (speech.speed, speech.pace, speech.formants, speech.unsteady) = (0.05, 0.05, 0.03, 0.0);
        (speech.words_max, speech.held_out, speech.snr_db_min, speech.foreign) = (4, 16, 15.0, 0.0);
        (speech.noise, speech.room, speech.telephone, speech.voices) = (0.4, 0.0, 0.0, 0.0);
        (speech.hidden_columns, speech.hidden_bands) = (10, 10);
    }
    // A tone does not change: relative to the means of its bands little is left of it.
    let sound = MelSpec {
        bands: 64,
        low_hz: 60.0,
        high_hz: 3800.0,
        hop_secs: 0.01,
        window_secs: 0.032,
        range_db: None,
    };
    settings.input = Some(InputSpec {
        width_px: 512,
        height_px: sound.bands,
        channels: 1,
        levels: Levels::PerItem,
        mean: vec![0.5],
        std: vec![0.165],
        view: View::Tiles { overlap_px: 96 },
        reference: false,
        local_px: 0,
        sound: Some(sound),
        difference: false,
        mirrored: false,
    });
    let cancel = AtomicBool::new(false);
    let report = train(&items, &settings, None, &cancel, &mut |_| {}).unwrap();
    assert_eq!(report.model.manifest().classes, ["one", "three", "two"]);
    assert!(report.model.manifest().evidence.iter().all(|group| group.names.is_some()));
    let strings = tempfile::tempdir().unwrap();
    let range = "2..5".parse().unwrap();
    let (joined, failed) = join_takes(&items, range, Some(20.0), &rule, 3, strings.path()).unwrap();
    assert!(failed.is_empty() && joined.len() > 15 && joined.iter().all(|item| item.group.starts_with("sp")));
    let measured = evaluate(&report.model, &joined, 1, &cancel, &mut |_, _| {}).unwrap();
    let figures = measured.report;
    assert!(figures.word_error_rate.unwrap().value < 0.1, "{:?}", figures.word_error_rate);
    assert!(figures.string_accuracy.unwrap().value > 0.7 && figures.ece.is_some());
    assert!(figures.auroc.is_none() && figures.accuracy.is_none() && figures.per_class.is_empty());
    assert!(!figures.risk_coverage.is_empty());
    for row in &measured.predictions {
        assert!((row.probabilities.values().map(|p| p.get()).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(row.probabilities.contains_key(Prediction::OTHER) && row.transcript.is_some());
    }

    // A line's rule restricts, and writes: regions are the words in order of time.
    let (decoded, ..) = crate::learn::data::decoded(&joined[0]).unwrap();
    let Decoded::Sound(sound) = &decoded else { panic!() };
    let secs = sound.secs();
    let input = report.model.prepare(&decoded, None).unwrap();
    let free = report.model.predict(&input, 1).unwrap();
    let mut after = 0.0;
    let mut said = Vec::new();
    for region in &free.regions {
        let Shape::Span { span_secs: [from, to], band_hz: None } = region.shape else { panic!() };
        assert!(from >= after && to > from && to <= secs + 0.05 && region.score.is_some());
        (after, said) = (from, [said, vec![region.class.clone()]].concat());
    }
    assert_eq!(free.transcript.as_deref(), Some(said.join(" ").as_str()));
    let strict = TranscriptRule {
        words: vec!["1".into(), "3".into()],
        numbers: crate::domain::Numbers::Figures,
        ..TranscriptRule::default()
    };
    let output = report.model.with_rule(&strict).predict(&input, 1).unwrap();
    let readings: Vec<&String> =
        output.probabilities.keys().filter(|text| *text != Prediction::OTHER).collect();
    assert!(readings.iter().all(|text| strict.allows(text)), "{readings:?}");
}
