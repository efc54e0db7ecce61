//! What is said: readings are taken by a key, written otherwise where they are wrong, and hidden while the
//! plan wants a person's own ear first.

use super::sound::{heard, wav};
use super::*;
use crate::domain::{Task, TranscriptRule};

fn digits() -> Plan {
    let rule = TranscriptRule::default();
    let transcript = TranscriptRule { words: rule.digits.to_vec(), ..rule };
    Plan { transcript, ..Plan::new("Serials", Task::Transcribe, Vec::new()) }
}

/// A line with sounds of which a model has read "three four", and perhaps "three five".
fn line(mode: ReviewMode, items: u8) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let mut plan = digits();
    plan.review.mode = mode;
    let request = LineRequest { plan, level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    for number in 1..=items {
        let arrival = heard(number, line.store.blobs().put(&wav(number)).unwrap());
        let (item, inspection) = (arrival.item, InspectionId::generate());
        let p = Probability::saturating;
        let readings = [("three four", 0.8), ("three five", 0.15), (Prediction::OTHER, 0.05)];
        let probabilities = readings.map(|(text, share)| (text.to_owned(), p(share))).into();
        let transcript = Some("three four".to_owned());
        let prediction = Prediction { probabilities, transcript, regions: Vec::new(), ..prediction(0.5) };
        let reason = Reason::Doubtful { class: "three four".into(), doubt: p(0.2), accept_below: None };
        let decision = Decision {
            outcome: Outcome::Review,
            decided_by: DecidedBy::Model,
            reason,
            policy: None,
            model: None,
            audit: None,
        };
        line.store
            .transact::<_, crate::store::StoreError>("station", |tx| {
                tx.append(&Event::ItemArrived(Arrival { inspection: Some(inspection), ..arrival }))?;
                tx.append(&Event::ItemPredicted { item, prediction })?;
                tx.append(&Event::ItemDecided { item, inspection, decision })?;
                Ok(())
            })
            .unwrap();
    }
    drop(line);
    Bench::open(dir, folder)
}

fn said(bench: &Bench, unit: &str) -> String {
    let label = bench.store().view().label(bench.item_of(unit)).unwrap().unwrap();
    assert_eq!((label.status, &label.class), (LabelStatus::Confirmed, &None));
    label.transcript.unwrap()
}

fn write(bench: &mut Bench, text: &str) {
    bench.press(Key::Enter);
    bench.harness.run_steps(2);
    bench.harness.event(egui::Event::Text(text.into()));
    bench.harness.run_steps(2);
}

#[test]
fn a_reading_is_taken_by_its_key_or_written_otherwise() {
    let mut bench = line(ReviewMode::Shown, 4);
    bench.wait("sound", |app| app.review.is_ready());
    bench.harness.run_steps(2);
    assert!(bench.shows("three four") && bench.shows("three five"));
    bench.answer(Key::G);
    bench.answer(Key::Num2);
    bench.wait("sound", |app| app.review.is_ready());
    write(&mut bench, "Three, uh, 4 five");
    assert!(bench.shows("Recorded: three four five") && bench.shows("uh,: left out"));
    bench.answer(Key::Enter);
    assert_eq!(
        ["U001", "U002", "U003"].map(|unit| said(&bench, unit)),
        ["three four", "three five", "three four five"]
    );
    // What cannot be right is told before it is recorded.
    bench.wait("sound", |app| app.review.is_ready());
    write(&mut bench, "three fours");
    let turn = bench.turn();
    bench.press(Key::Enter);
    bench.harness.run_steps(4);
    assert!(bench.shows("fours: cannot be said on this line") && bench.shows("Enter once more"));
    assert_eq!(bench.turn(), turn);
    bench.answer(Key::Enter);
    assert_eq!(said(&bench, "U004"), "three fours");
}

#[test]
fn nothing_of_the_model_is_seen_before_a_person_has_written() {
    let mut bench = line(ReviewMode::DecideFirst, 1);
    bench.wait("sound", |app| app.review.is_ready());
    bench.harness.run_steps(2);
    assert!(!bench.shows("three four") && !bench.shows("80 %"));
    write(&mut bench, "three five");
    bench.press(Key::Enter);
    bench.harness.run_steps(4);
    assert!(bench.shows("three four"), "a difference is shown before it counts");
    bench.answer(Key::G);
    assert_eq!(said(&bench, "U001"), "three four");
}
