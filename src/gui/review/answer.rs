//! From keys to a verdict: what may be answered when, and how it was asked. Pure.

use crate::domain::{
    DecidedBy, Event, Label, Outcome, Plan, Region, Route, Verdict, VerdictMode, VerdictStatus,
};
use crate::engine::{Card, Sight};

/// A person's answer before it is a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Class(String),
    /// In the line's convention.
    Said(String),
    CannotTell,
    BadInput,
}

impl Answer {
    pub fn status(&self) -> VerdictStatus {
        match self {
            Self::Class(_) | Self::Said(_) => VerdictStatus::Answered,
            Self::CannotTell => VerdictStatus::CannotTell,
            Self::BadInput => VerdictStatus::BadInput,
        }
    }

    /// As it stands in the log before a reveal.
    pub fn text(&self) -> &str {
        match self {
            Self::Class(text) | Self::Said(text) => text,
            Self::CannotTell => "cannot tell",
            Self::BadInput => "bad input",
        }
    }

    /// What it means for the unit: whoever could not tell has not seen a good part.
    pub fn route(&self, plan: &Plan) -> Route {
        match self {
            Self::Class(class) => plan.route(class).unwrap_or(Route::Divert),
            Self::Said(text) if plan.transcript.allows(text) => Route::Pass,
            Self::Said(_) | Self::CannotTell | Self::BadInput => Route::Divert,
        }
    }
}

/// Defect classes in the order of their digits.
pub fn defect_classes(plan: &Plan) -> Vec<&str> {
    plan.classes.iter().map(|class| class.name.as_str()).filter(|name| *name != Label::GOOD).collect()
}

/// Whether the suggestion may be seen now; `first` is an answer that came before.
pub fn is_revealed(card: &Card, first: Option<&Answer>) -> bool {
    match card.sight {
        Sight::Hidden => false,
        Sight::AfterAnswer => first.is_some() || !card.is_waiting,
        Sight::Shown => true,
    }
}

/// Whether an answer has to be held against the suggestion first. One that says what the model says
/// is final: there is nothing to keep or change.
pub fn needs_reveal(card: &Card, answer: &Answer, first: Option<&Answer>) -> bool {
    let Some(prediction) = &card.prediction else { return false };
    card.is_waiting
        && card.sight == Sight::AfterAnswer
        && first.is_none()
        && answer.text() != prediction.label()
}

/// The route that the model had decided by itself, where this answer overturns it.
pub fn overturned(card: &Card, plan: &Plan, answer: &Answer) -> Option<Route> {
    let decided = card.history.iter().rev().find_map(|entry| match &entry.event {
        Event::ItemDecided { decision, .. } if decision.decided_by == DecidedBy::Model => {
            match decision.outcome {
                Outcome::Pass => Some(Some(Route::Pass)),
                Outcome::Divert => Some(Some(Route::Divert)),
                Outcome::Review => Some(None),
            }
        }
        _ => None,
    });
    decided.flatten().filter(|route| *route != answer.route(plan))
}

/// Regions of an answer where nothing was drawn: whoever repeats an answer has not taken its places back.
pub fn kept_regions(card: &Card, answer: &Answer) -> Vec<Region> {
    let Answer::Class(class) = answer else { return Vec::new() };
    let own = card.own.as_ref().filter(|own| own.class.as_ref() == Some(class)).map(|own| &own.regions);
    // Of what others have settled only what was on the screen.
    let label = card.label.as_ref().filter(|label| !card.is_waiting && label.main_class() == class);
    let regions = own.filter(|regions| !regions.is_empty()).or(label.map(|label| &label.regions));
    let fits = |region: &&Region| class != Label::GOOD || region.class == Label::GOOD;
    regions.into_iter().flatten().filter(fits).cloned().collect()
}

/// Everything else that a verdict says of how it came about.
pub struct Circumstances<'a> {
    pub card: &'a Card,
    pub reviewer: &'a str,
    pub first: Option<&'a Answer>,
    pub regions: Vec<Region>,
    pub comment: Option<String>,
    pub seconds: f64,
}

pub fn verdict(answer: &Answer, of: Circumstances<'_>) -> Verdict {
    let revealed = is_revealed(of.card, of.first);
    let mode = match (of.card.sight, revealed) {
        (_, false) => VerdictMode::Hidden,
        (Sight::Shown, true) => VerdictMode::Shown,
        // An item that is looked at again was revealed by its decision.
        (_, true) if of.first.is_none() => VerdictMode::Shown,
        (_, true) => VerdictMode::RevealedAfter,
    };
    let prediction = of.card.prediction.as_ref();
    Verdict {
        item: of.card.item.id,
        reviewer: of.reviewer.to_owned(),
        status: answer.status(),
        class: if let Answer::Class(class) = answer { Some(class.clone()) } else { None },
        regions: if matches!(answer, Answer::Class(_)) { of.regions } else { Vec::new() },
        transcript: if let Answer::Said(text) = answer { Some(text.clone()) } else { None },
        mode,
        class_before: of.first.map(|first| first.text().to_owned()),
        model: prediction.map(|prediction| prediction.model.clone()),
        policy: of.card.policy.clone(),
        regions_shown: prediction.filter(|_| revealed).map(|p| p.regions.clone()).unwrap_or_default(),
        comment: of.comment.filter(|text| !text.trim().is_empty()),
        seconds: of.seconds,
    }
}
