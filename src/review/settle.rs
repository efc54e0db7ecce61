//! From verdicts to the label of an item.

use crate::domain::{Label, LabelStatus, Verdict, VerdictStatus};
use std::collections::BTreeMap;

/// The label that `verdicts` (standing ones, oldest first) settle; `None` when there are none.
///
/// Each reviewer's newest answer counts. *Cannot tell* abstains where somebody else answered.
/// A strict majority settles; without one the item is disputed. The transcript comes from the newest answer
/// of the majority, regions from its newest that has some: whoever agrees with a class alone has not taken
/// its places back.
#[must_use]
pub fn settle(verdicts: &[Verdict]) -> Option<Label> {
    let mut newest: BTreeMap<&str, (usize, &Verdict)> = BTreeMap::new();
    for (order, verdict) in verdicts.iter().enumerate() {
        newest.insert(&verdict.reviewer, (order, verdict));
    }
    let mut standing: Vec<&Verdict> = {
        let mut ordered: Vec<_> = newest.into_values().collect();
        ordered.sort_by_key(|(order, _)| *order);
        ordered.into_iter().map(|(_, verdict)| verdict).collect()
    };
    if standing.iter().any(|v| v.status != VerdictStatus::CannotTell) {
        standing.retain(|v| v.status != VerdictStatus::CannotTell);
    }
    let last = *standing.last()?;
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for verdict in &standing {
        *votes.entry(answer_key(verdict)).or_default() += 1;
    }
    let winner = votes.iter().find(|(_, n)| **n * 2 > standing.len()).map(|(key, _)| key);
    let Some(winner) = winner else {
        return Some(Label { status: LabelStatus::Disputed, class: None, regions: vec![], transcript: None });
    };
    let majority = || standing.iter().rev().copied().filter(|v| answer_key(v) == *winner);
    let chosen = majority().next().unwrap_or(last);
    let located = majority().find(|v| !v.regions.is_empty()).unwrap_or(chosen);
    let status = match chosen.status {
        VerdictStatus::Answered => LabelStatus::Confirmed,
        VerdictStatus::CannotTell => LabelStatus::CannotTell,
        VerdictStatus::BadInput => LabelStatus::BadInput,
    };
    let confirmed = status == LabelStatus::Confirmed;
    Some(Label {
        status,
        class: chosen.class.clone().filter(|_| confirmed),
        regions: if confirmed { located.regions.clone() } else { vec![] },
        transcript: chosen.transcript.clone().filter(|_| confirmed),
    })
}

/// Answers with the same key agree. Regions may differ in their outlines, but not in whether
/// anything was found at all: "good" with a crack drawn on it is not the same as "good".
fn answer_key(verdict: &Verdict) -> String {
    let defect = |class: &str| class != Label::GOOD;
    let found =
        verdict.class.as_deref().is_some_and(defect) || verdict.regions.iter().any(|r| defect(&r.class));
    match verdict.status {
        VerdictStatus::Answered => format!(
            "answered\u{1f}{}\u{1f}{found}\u{1f}{}",
            verdict.class.as_deref().unwrap_or(""),
            verdict.transcript.as_deref().unwrap_or("")
        ),
        VerdictStatus::CannotTell => "cannot tell".into(),
        VerdictStatus::BadInput => "bad input".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ItemId, VerdictMode};

    fn verdict(reviewer: &str, answer: &str) -> Verdict {
        let (status, class) = match answer {
            "cannot tell" => (VerdictStatus::CannotTell, None),
            "bad input" => (VerdictStatus::BadInput, None),
            class => (VerdictStatus::Answered, Some(class.to_owned())),
        };
        Verdict {
            item: ItemId::generate(),
            reviewer: reviewer.into(),
            status,
            class,
            regions: vec![],
            transcript: None,
            mode: VerdictMode::Hidden,
            class_before: None,
            model: None,
            policy: None,
            regions_shown: vec![],
            comment: None,
            seconds: 1.0,
        }
    }

    #[track_caller]
    fn check(answers: &[(&str, &str)], status: LabelStatus, class: Option<&str>) {
        let verdicts: Vec<_> = answers.iter().map(|(who, what)| verdict(who, what)).collect();
        let label = settle(&verdicts).unwrap();
        assert_eq!((label.status, label.class.as_deref()), (status, class));
    }

    #[test]
    fn labels_settle_from_verdicts() {
        use LabelStatus::{BadInput, CannotTell, Confirmed, Disputed};
        assert_eq!(settle(&[]), None);
        check(&[("a", "crack")], Confirmed, Some("crack"));
        check(&[("a", "crack"), ("a", "good")], Confirmed, Some("good"));
        check(&[("a", "crack"), ("b", "good")], Disputed, None);
        check(&[("a", "crack"), ("b", "good"), ("c", "crack")], Confirmed, Some("crack"));
        check(&[("a", "cannot tell")], CannotTell, None);
        check(&[("a", "cannot tell"), ("b", "good")], Confirmed, Some("good"));
        check(&[("a", "bad input"), ("b", "good")], Disputed, None);
        check(&[("a", "bad input")], BadInput, None);
    }

    #[test]
    fn places_stay_where_somebody_agrees_without_drawing() {
        use crate::domain::{BoxPx, Region, Shape};
        let place = |x: f32| vec![Region::new("crack", Shape::Box(BoxPx::new(x, 0.0, x + 9.0, 9.0)))];
        let drawn = |who: &str, x: f32| Verdict { regions: place(x), ..verdict(who, "crack") };
        let of = |verdicts: &[Verdict]| settle(verdicts).unwrap().regions;
        assert_eq!(of(&[drawn("a", 1.0), verdict("b", "crack")]), place(1.0));
        assert_eq!(of(&[drawn("a", 1.0), drawn("b", 2.0), verdict("c", "crack")]), place(2.0));
        // One's own newest answer counts alone.
        assert_eq!(of(&[drawn("a", 1.0), verdict("a", "crack")]), []);
    }
}
