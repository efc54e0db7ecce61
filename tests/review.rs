//! Promise: an answer counts once, can be taken back without a trace in what is in force, and
//! nothing ever falls to pass.

use crate::lines::{ANSWERS, Line, every, histories, steps, verdict};
use proptest::prelude::*;
use secondlook::domain::{
    DecidedBy, Label, LabelStatus, Level, Outcome, Plan, Region, Route, Shape, Task, Verdict,
};
use secondlook::review::{self, ReviewError};
use secondlook::store::{LabelFilter, Store};
use std::collections::BTreeSet;

const HISTORY_STEPS_MAX: usize = 40;

#[test]
fn two_reviewers_never_have_the_same_item() {
    let mut line = Line::new(1);
    let items = [0.5, 0.4, 0.3].map(|p| line.arrive(p));
    let mut other = Store::open_with_clock(line.path(), line.hands.clock()).unwrap();
    let next = |store: &mut Store, who: &str| store.lease_next(who, 60.0).unwrap().map(|row| row.item.id);

    assert_eq!(next(&mut line.store, "ann"), Some(items[0]));
    assert_eq!(next(&mut other, "ben"), Some(items[1]));
    assert_eq!(next(&mut line.store, "ann"), Some(items[0]), "asking again renews, and takes no second one");
    assert_eq!(next(&mut other, "cem"), Some(items[2]));
    assert_eq!(next(&mut other, "dan"), None);

    let refused = review::answer(&mut other, &line.plan, &verdict(items[0], "ben", "good")).unwrap_err();
    assert!(matches!(&refused, ReviewError::Leased { holder } if holder == "ann"), "{refused}");

    // Ann renews in time; the others let theirs pass.
    line.hands.move_secs(50.0);
    assert_eq!(next(&mut line.store, "ann"), Some(items[0]));
    line.hands.move_secs(11.0);
    assert_eq!(next(&mut other, "dan"), Some(items[1]), "expired, and free for the next");
    let held = other.lease(items[0], "dan", 60.0).unwrap();
    assert_eq!(held, Err("ann".to_owned()));
    line.hands.move_secs(50.0);
    assert_eq!(other.lease(items[0], "dan", 60.0).unwrap(), Ok(()));

    // An answer gives the item free, and takes it out of the queue.
    review::answer(&mut other, &line.plan, &verdict(items[0], "dan", "good")).unwrap();
    assert_eq!(
        next(&mut line.store, "ann"),
        Some(items[2]),
        "ben's and cem's have expired, dan has the second"
    );
}

#[test]
fn people_disagree_where_their_answers_mean_different_things() {
    let mut line = Line::new(1);
    // Two that pass, two that are diverted, and one of each.
    for (ann, ben) in [("good", "dust"), ("crack", "stain"), ("dust", "stain")] {
        let item = line.arrive(0.5);
        for (who, class) in [("ann", ann), ("ben", ben)] {
            review::answer(&mut line.store, &line.plan, &verdict(item, who, class)).unwrap();
        }
    }
    assert_eq!(line.store.view().answer_pairs(&line.plan).unwrap(), (3, 1));
    // Where names are what is decided, each of them is another answer.
    let naming = Plan { task: Task::Classify, ..line.plan.clone() };
    assert_eq!(line.store.view().answer_pairs(&naming).unwrap(), (3, 3));
}

#[test]
fn transcripts_of_several_people_are_kept_apart_and_compared_after_the_convention() {
    let mut line = Line::new(1);
    let plan = Plan { task: Task::Transcribe, classes: Vec::new(), ..line.plan.clone() };
    let mut items = Vec::new();
    for texts in [vec!["three four", "Three 4"], vec!["three four", "three five"], vec!["nine"]] {
        let item = line.arrive(0.5);
        items.push(item);
        for (who, text) in ["ann", "ben"].iter().zip(texts) {
            let said = Verdict { class: None, transcript: Some(text.into()), ..verdict(item, who, "good") };
            review::answer(&mut line.store, &plan, &said).unwrap();
        }
    }
    assert_eq!(line.store.view().answer_pairs(&plan).unwrap(), (2, 1));
    let kept = line.store.view().transcripts().unwrap();
    let said = |at: usize| -> Vec<(&str, &str)> {
        kept[&items[at]].iter().map(|vote| (vote.rater.as_str(), vote.label.as_str())).collect()
    };
    assert_eq!(said(0), [("ann", "three four"), ("ben", "three four")]);
    assert_eq!(said(1), [("ann", "three four"), ("ben", "three five")]);
    assert!(!kept.contains_key(&items[2]), "one answer is the label, and no vote beside it");
}

#[test]
fn what_is_said_is_found_by_word_and_by_text_and_seen_from_outside() {
    let mut line = Line::new(1);
    let plan = Plan { task: Task::Transcribe, classes: Vec::new(), ..line.plan.clone() };
    let said = |text: Option<&str>, item| match text {
        Some(text) => Verdict { class: None, transcript: Some(text.into()), ..verdict(item, "ann", "good") },
        None => verdict(item, "ann", "cannot tell"),
    };
    let items = [Some("Three, uh, 4"), Some("four four nine"), None].map(|text| {
        let item = line.arrive(0.5);
        review::answer(&mut line.store, &plan, &said(text, item)).unwrap();
        item
    });
    // Imported as somebody else wrote it, and as a name of one word.
    let written = |text: &str| Label { class: None, transcript: Some(text.into()), ..Label::confirmed("") };
    let imported = [written("Four, 3."), Label::confirmed("nine")].map(|label| line.import(Some(label)));
    let view = line.store.view();
    let found = |filter: LabelFilter| {
        let ids: BTreeSet<_> = view.labelled_ids(&filter, &plan.transcript).unwrap().into_iter().collect();
        [items[0], items[1], items[2], imported[0], imported[1]].map(|item| ids.contains(&item))
    };
    let by_word = |word: &str| found(LabelFilter { word: Some(word.into()), ..LabelFilter::default() });
    assert_eq!(by_word("four"), [true, true, false, true, false]);
    assert_eq!(by_word("nine"), [false, true, false, false, true]);
    let by_text = |text: &str| found(LabelFilter { text: text.into(), ..LabelFilter::default() });
    assert_eq!(by_text("Four n"), [false, true, false, false, false]);
    let good = LabelFilter { class: Some("good".into()), ..LabelFilter::default() };
    assert_eq!(found(good), [false; 5], "what is said is no class");
    let counts: Vec<(String, i64)> = view.word_counts(&plan.transcript).unwrap().into_iter().collect();
    assert_eq!(counts, [("four".into(), 3), ("nine".into(), 2), ("three".into(), 2)]);
    let counts: Vec<_> = view.label_counts().unwrap().into_iter().collect();
    let count = |class: &str, status: &str, n| ((class.to_owned(), status.to_owned()), n);
    assert_eq!(
        counts,
        [count("", "cannot tell", 1), count("", "confirmed", 3), count("nine", "confirmed", 1)]
    );
    let raw = line.raw();
    for (view, item, text) in [
        ("v_labels", items[0], Some("three four")),
        ("v_verdicts", items[0], Some("three four")),
        ("v_labels", items[2], None),
        ("v_labels", imported[0], Some("Four, 3.")),
    ] {
        let sql = format!("SELECT transcript FROM {view} WHERE item_id = ?1");
        let said: Option<String> = raw.query_row(&sql, [item.to_string()], |row| row.get(0)).unwrap();
        assert_eq!(said.as_deref(), text);
    }
}

#[test]
fn unsuitable_answers_are_refused_and_leave_nothing() {
    let mut line = Line::new(1);
    let item = line.arrive(0.5);
    let (before, head) = (line.projections(), line.store.head().unwrap());
    let mut answers = vec![verdict(item, "ann", "chip"), verdict(item, " ", "good")];
    answers.push(verdict(item, "ann", "crack"));
    answers[2].regions.push(Region::new("gap", Shape::Whole));
    answers.push(verdict(item, "ann", "good"));
    answers[3].class = None;
    // Words say nothing about a defect: with "no class means good" this would pass.
    answers.push(answers[3].clone());
    answers[4].transcript = Some("all fine".into());
    answers.push(verdict(secondlook::domain::ItemId::generate(), "ann", "good"));
    let errors: Vec<String> = answers
        .iter()
        .map(|answer| review::answer(&mut line.store, &line.plan, answer).unwrap_err().to_string())
        .collect();
    assert_eq!(errors[0], "\"chip\" is not a class of this line: good, dust, crack, stain");
    assert_eq!(errors[1], "a reviewer needs a name");
    assert!(errors[2].starts_with("\"gap\""), "{}", errors[2]);
    assert_eq!([&errors[3], &errors[4]], ["an answer needs a class"; 2]);
    assert!(errors[5].starts_with("there is no item"), "{}", errors[5]);
    assert!(matches!(line.undo("ann"), Err(ReviewError::NothingToUndo(_))));
    assert_eq!((line.projections(), line.store.head().unwrap()), (before, head));
}

#[test]
fn an_imported_label_comes_back_when_the_answer_is_taken_back() {
    let mut line = Line::new(1);
    let imported = Label::confirmed("stain");
    let item = line.import(Some(imported.clone()));
    let bare = line.import(None);
    line.answer(item, "ann", "good").unwrap();
    line.answer(bare, "ann", "crack").unwrap();
    assert_eq!(line.store.view().label(item).unwrap(), Some(Label::confirmed("good")));
    line.undo("ann").unwrap();
    line.undo("ann").unwrap();
    assert_eq!(line.store.view().label(item).unwrap(), Some(imported));
    assert_eq!(line.store.view().label(bare).unwrap(), None);
}

#[test]
fn what_people_say_settles_what_happens() {
    #[track_caller]
    fn check(answers: &[(&str, &str)], status: LabelStatus, outcome: Outcome) {
        let mut line = Line::new(1);
        let item = line.arrive(0.5);
        for (who, what) in answers {
            line.answer(item, who, what).unwrap();
        }
        let view = line.store.view();
        assert_eq!(view.label(item).unwrap().unwrap().status, status);
        let (decided, by, _) = view.decision(item).unwrap().unwrap();
        assert_eq!((decided, by), (outcome, DecidedBy::Person));
        assert_eq!(view.queue(None, 9).unwrap().len(), usize::from(outcome == Outcome::Review));
    }
    use LabelStatus::{BadInput, CannotTell, Confirmed, Disputed};
    check(&[("ann", "good")], Confirmed, Outcome::Pass);
    check(&[("ann", "dust")], Confirmed, Outcome::Pass);
    check(&[("ann", "crack")], Confirmed, Outcome::Divert);
    check(&[("ann", "cannot tell")], CannotTell, Outcome::Divert);
    check(&[("ann", "bad input")], BadInput, Outcome::Divert);
    check(&[("ann", "good with a crack")], Confirmed, Outcome::Divert);
    check(&[("ann", "good with a crack"), ("ben", "good")], Disputed, Outcome::Review);
    check(&[("ann", "good"), ("ben", "crack")], Disputed, Outcome::Review);
    check(&[("ann", "good"), ("ben", "crack"), ("cem", "good")], Confirmed, Outcome::Pass);
    check(&[("ann", "cannot tell"), ("ben", "good")], Confirmed, Outcome::Pass);
}

#[test]
fn a_reason_follows_a_change_of_mind() {
    let mut line = Line::new(1);
    let item = line.arrive(0.5);
    line.answer(item, "ann", "crack").unwrap();
    line.answer(item, "ann", "stain").unwrap();
    let (.., reason) = line.store.view().decision(item).unwrap().unwrap();
    assert_eq!(reason, "answered stain");
}

#[test]
fn a_check_that_agrees_changes_nothing_and_one_that_contradicts_takes_a_second_look() {
    for (p, right, wrong) in [(0.05, "good", "crack"), (0.95, "crack", "good")] {
        let mut line = Line::new(1);
        line.audits = every(1.0);
        let items = [line.arrive(p), line.arrive(p), line.arrive(p)];
        let station = line.store.view().decision(items[0]).unwrap().unwrap();
        let in_force = |line: &Line, item| line.store.view().decision(item).unwrap().unwrap();
        let waiting = |line: &Line| line.store.view().queue(None, 9).unwrap();
        // Nothing about a waiting check says what the station thinks of it.
        for row in waiting(&line) {
            assert!(row.prediction.is_none() && row.reason.starts_with("asked without"), "{}", row.reason);
        }
        line.answer(items[0], "ann", right).unwrap();
        assert_eq!(in_force(&line, items[0]), station, "it stands as the model's own");
        assert_eq!(waiting(&line).len(), 2);
        // The unit is stopped at once; what becomes of it takes another look, as blind as the first.
        line.answer(items[1], "ann", wrong).unwrap();
        assert_eq!(in_force(&line, items[1]).0, Outcome::Review);
        assert!(line.store.view().is_blind(items[1]).unwrap());
        line.answer(items[1], "ben", wrong).unwrap();
        let (outcome, by, _) = in_force(&line, items[1]);
        assert!(outcome != station.0 && outcome != Outcome::Review && by == DecidedBy::Person);
        // A second look that agrees with the station after all.
        line.answer(items[2], "ann", wrong).unwrap();
        line.answer(items[2], "ann", right).unwrap();
        let (outcome, by, _) = in_force(&line, items[2]);
        assert_eq!((outcome, by), (station.0, DecidedBy::Person));
        assert!(waiting(&line).is_empty());
        // All the way back.
        for _ in 0..5 {
            let who = if line.undo("ben").is_ok() { "ben" } else { "ann" };
            if who == "ann" {
                line.undo("ann").unwrap();
            }
        }
        assert!(items.iter().all(|&item| in_force(&line, item) == station));
        assert_eq!(waiting(&line).len(), 3);
    }
}

#[test]
fn an_incomplete_inspection_never_passes() {
    // The one picture that came: passed by the model, or answered good before or after the end.
    for (p, answer_first) in [(0.1, false), (0.1, true), (0.5, false), (0.5, true)] {
        let mut line = Line::new(2);
        let item = line.arrive(p);
        let id = line.store.view().item(item).unwrap().unwrap().inspection.unwrap();
        let decision = |line: &Line| line.store.view().inspection(id).unwrap().unwrap().decision;
        if answer_first {
            line.answer(item, "ann", "good").unwrap();
        }
        assert_eq!(decision(&line), None, "it waits for its second picture");
        line.time_out();
        if !answer_first {
            assert_eq!(decision(&line).unwrap().0, Outcome::Review);
            assert_eq!(line.store.view().queue(None, 9).unwrap().len(), 1, "a person is asked");
            line.answer(item, "ann", "good").unwrap();
        }
        assert_eq!(decision(&line), Some((Outcome::Divert, DecidedBy::Person)));
        line.undo("ann").unwrap();
        assert_eq!(decision(&line).unwrap().0, Outcome::Review, "p {p}, answer first {answer_first}");
        assert_eq!(line.store.view().queue(None, 9).unwrap().len(), 1, "a person is asked again");
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn undo_goes_back_exactly_as_far_as_it_is_asked(
        history in steps(HISTORY_STEPS_MAX),
        items in 1..=2_u32,
        answers in proptest::collection::vec((0..ANSWERS.len(), 0_usize..6), 1..8),
    ) {
        let mut line = Line::new(items);
        line.audits = every(0.4);
        line.arrive(0.5);
        line.take_all(&history);
        let mut states = vec![line.in_force()];
        for (what, which) in answers {
            let item = *line.items.iter().rev().nth(which % line.items.len()).unwrap();
            line.answer(item, "dan", ANSWERS[what]).unwrap();
            states.push(line.in_force());
        }
        states.pop();
        while let Some(before) = states.pop() {
            line.undo("dan").unwrap();
            prop_assert_eq!(line.in_force(), before);
        }
        prop_assert!(matches!(line.undo("dan"), Err(ReviewError::NothingToUndo(_))));
    }

    #[test]
    fn only_people_and_models_pass_and_only_what_is_labelled_so(
        history in steps(HISTORY_STEPS_MAX), items in 1..=2_u32,
    ) {
        let mut line = Line::new(items);
        line.audits = every(0.4);
        for step in &history {
            line.take(step);
            let view = line.store.view();
            for &id in &line.items {
                let item = view.item(id).unwrap().unwrap();
                let Some(inspection) = item.inspection else { continue };
                let state = view.inspection(inspection).unwrap().unwrap();
                let (outcome, by, _) = view.decision(id).unwrap().unwrap();
                let label = view.label(id).unwrap();
                let may_pass = match &label {
                    None => by == DecidedBy::Model,
                    // A check that agrees leaves the model's decision as it is.
                    Some(label) => {
                        by != DecidedBy::Station
                            && label.status == LabelStatus::Confirmed
                            && label.classes().iter().all(|class| line.plan.route(class) == Some(Route::Pass))
                    }
                };
                prop_assert!(outcome != Outcome::Pass || may_pass, "{step:?}: {by:?} passes {label:?}");
                if let Some((Outcome::Pass, by)) = state.decision {
                    prop_assert!(by != DecidedBy::Station);
                    prop_assert!(state.items.iter().all(|(_, outcome, _)| *outcome == Outcome::Pass));
                    prop_assert!(state.items.len() >= items as usize, "incomplete, and passed");
                }
                if state.decision.is_some_and(|(outcome, _)| outcome == Outcome::Review) {
                    prop_assert!(state.items.iter().any(|(_, outcome, _)| *outcome == Outcome::Review));
                }
                if (outcome, by) == (Outcome::Pass, DecidedBy::Model) {
                    // Only what its policy passes: strictly below the threshold, at a level that lets it.
                    let decision = view.decision_before_answers(id).unwrap().unwrap();
                    let policy = decision.policy.unwrap();
                    let p = view.prediction(id).unwrap().unwrap().divert_probability(&line.plan);
                    prop_assert!(policy.level.is_automatic() && Some(p) < policy.thresholds.pass_below);
                }
                let is_check = by == DecidedBy::Model && view.is_blind(id).unwrap();
                prop_assert!(!is_check || label.is_none(), "an answered check waits");
                let waits = outcome == Outcome::Review || is_check;
                let queue = view.queue(None, usize::MAX).unwrap();
                prop_assert_eq!(queue.iter().any(|row| row.item.id == id), waits, "asked if in review or checked");
            }
        }
    }
}

#[test]
fn below_partial_no_model_decides() {
    for level in [Level::Manual, Level::Shadow, Level::Assist] {
        let mut line = Line::new(1);
        line.level = level;
        for p in [0.0, 0.5, 1.0] {
            let item = line.arrive(p);
            assert_eq!(line.store.view().outcome(item).unwrap(), Some(Outcome::Review), "{level} {p}");
        }
    }
}
