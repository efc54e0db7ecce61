//! What is said: readings are taken by a key, written otherwise where they are wrong, and hidden while the
//! plan wants a person's own ear first.

use super::sound::{heard, wav};
use super::*;

fn digits() -> Plan {
    let rule = TranscriptRule::default();
    let transcript = TranscriptRule { words: rule.digits.to_vec(), ..rule };
    Plan { transcript, ..Plan::new("Serials", Task::Transcribe, Vec::new()) }
}

/// A line with sounds of which a model has read "three four", and perhaps "three five".
fn line(mode: ReviewMode, items: u8) -> Bench {
    doubtful_line(mode, items, [0.02, 0.2])
}

/// The same, with so much doubt of the two words.
fn doubtful_line(mode: ReviewMode, items: u8, doubts: [f64; 2]) -> Bench {
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
        let places = [("three", [0.1, 0.4]), ("four", [0.4, 0.7])];
        let regions = places.iter().zip(doubts).map(|((word, span_secs), doubt)| {
            let shape = Shape::Span { span_secs: *span_secs, band_hz: None };
            Region { score: Some(p(doubt)), ..Region::new(*word, shape) }
        });
        let regions = regions.collect();
        let prediction = Prediction { probabilities, regions, transcript, ..prediction(0.5) };
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
    type_in(bench, text);
}

fn type_in(bench: &mut Bench, text: &str) {
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
    assert!(!bench.shows("three four, ") && !bench.shows("80 %"));
    write(&mut bench, "three five");
    bench.press(Key::Enter);
    bench.harness.run_steps(4);
    assert!(bench.shows("five ≠ four"), "a difference is shown before it counts");
    assert!(bench.shows("Word 2 of 2: four, uncertain, not what was written"));
    pages::looks_like(&mut bench, "transcript-first");
    bench.answer(Key::G);
    assert_eq!(said(&bench, "U001"), "three four");
}

#[test]
fn blind_no_word_is_seen_and_no_key_tells_where_one_was_heard() {
    for mode in [ReviewMode::Hidden, ReviewMode::DecideFirst] {
        let mut bench = line(mode, 1);
        bench.wait("sound", |app| app.review.is_ready());
        bench.press(Key::F8);
        assert!(bench.shows("No words are shown here"));
        assert!(!bench.shows("Word ") && !bench.shows("words uncertain") && !bench.shows("of 1.00 s"));
        assert!(!bench.harness.state().review.has_played());
    }
}

#[test]
fn one_key_takes_the_next_uncertain_word_and_typing_replaces_it_alone() {
    let mut bench = line(ReviewMode::Shown, 2);
    bench.wait("sound", |app| app.review.is_ready());
    bench.harness.run_steps(2);
    assert!(bench.shows("Word 1 of 2: three, doubt .02") && bench.shows("Word 2 of 2: four, uncertain"));
    bench.press(Key::F8);
    bench.harness.run_steps(2);
    assert!(bench.harness.state().review.has_played(), "the word is not heard");
    assert!(bench.shows("of 1.00 s"), "the word is not looked at");
    type_in(&mut bench, "five");
    assert!(bench.shows("Recorded: three five"));
    bench.answer(Key::Enter);
    assert_eq!(said(&bench, "U001"), "three five");
    // A word is taken with the pointer as well.
    bench.wait("sound", |app| app.review.is_ready());
    bench.harness.run_steps(2);
    bench.harness.get_by_label_contains("Word 1 of 2").click();
    bench.harness.run_steps(3);
    type_in(&mut bench, "two");
    assert!(bench.shows("Recorded: two four"));
}

#[test]
fn enter_goes_on_through_the_uncertain_words_and_records_behind_the_last() {
    let mut bench = doubtful_line(ReviewMode::Shown, 1, [0.3, 0.2]);
    bench.wait("sound", |app| app.review.is_ready());
    bench.press(Key::F8);
    bench.harness.run_steps(2);
    type_in(&mut bench, "two");
    assert!(bench.shows("takes the next uncertain word"));
    let turn = bench.turn();
    bench.press(Key::Enter);
    bench.harness.run_steps(2);
    assert_eq!(bench.turn(), turn);
    type_in(&mut bench, "nine");
    bench.answer(Key::Enter);
    assert_eq!(said(&bench, "U001"), "two nine");
}

#[test]
fn the_review_of_what_is_said_looks_as_it_did() {
    let mut bench = line(ReviewMode::Shown, 2);
    bench.wait("sound", |app| app.review.is_ready());
    bench.wait("heading", |app| app.session().is_some_and(|s| s.station.level.is_some()));
    pages::looks_like(&mut bench, "transcript-dark");
    // What is chosen is played as well, and looks otherwise where there is a sound device.
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::T);
    pages::looks_like(&mut bench, "transcript-light");
}

#[test]
fn transcripts_are_found_by_their_words_and_by_a_part_of_them() {
    let mut bench = line(ReviewMode::Shown, 4);
    bench.answer(Key::G);
    bench.answer(Key::Num2);
    bench.wait("sound", |app| app.review.is_ready());
    write(&mut bench, "3 4 seven nine zero one two six");
    bench.answer(Key::Enter);
    bench.harness.key_press(Key::F3);
    bench.see("unit U003: “three four seven nine");
    let shown =
        |bench: &Bench| ["U001", "U002", "U003"].map(|unit| bench.shows(&format!("unit {unit}: “three")));
    assert_eq!(shown(&bench), [true; 3]);
    for (word, found) in [("five, 1", [false, true, false]), ("four, 2", [true, false, true])] {
        bench.harness.get_by_label(word).click();
        bench.see(&format!("{} labels", found.iter().filter(|is| **is).count()));
        bench.harness.run_steps(2);
        assert_eq!(shown(&bench), found, "{word}");
    }
    bench.harness.get_by_label_contains("All labels").click();
    bench.harness.get_by_role_and_label(egui::Role::TextInput, "Unit, name or words").focus();
    bench.harness.run_steps(2);
    type_in(&mut bench, "Seven nine");
    bench.see("1 labels");
    bench.harness.run_steps(2);
    assert_eq!(shown(&bench), [false, false, true]);
    bench.harness.get_by_label("Balance").click();
    bench.see("Labels in which a word is said");
    assert!(!bench.shows("good"), "what is said has no class");
}

#[test]
fn the_plan_of_such_a_line_is_a_form_of_what_can_be_said() {
    let mut bench = line(ReviewMode::Shown, 1);
    bench.press(Key::F5);
    bench.harness.run_steps(3);
    assert!(bench.shows("Names of 0 to 9") && !bench.shows("Classes and routes"));
    bench.harness.get_by_label("punctuation").click();
    bench.harness.run_steps(2);
    bench.harness.get_by_label("Save the plan").click();
    bench.wait("plan", |app| app.toasts.newest().is_some_and(|text| text.contains("The plan is saved")));
    let text = std::fs::read_to_string(bench.folder.join("line.toml")).unwrap();
    let saved = Plan::from_toml(&text).unwrap().transcript;
    assert_eq!(saved, TranscriptRule { punctuation: true, ..digits().transcript });
}
