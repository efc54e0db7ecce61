//! One item as a person may see it: with everything that is known of it, or blind.

use super::{EngineError, Line};
use crate::domain::{
    DecidedBy, Event, Item, ItemId, Label, Level, Outcome, Plan, Prediction, ReviewMode, Thresholds, Verdict,
};
use crate::store::{ASKED_BLIND, HistoryEntry, InspectedItem, StandingVerdict};

/// What the model's suggestion may do before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never shown.
    Hidden,
    /// Shown after a first answer that it contradicts.
    AfterAnswer,
    Shown,
}

/// The item on the desk, with everything that a person may want to know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    pub item: Item,
    /// Whether it waits for an answer (else it was decided or imported, and is looked at again).
    pub is_waiting: bool,
    pub reason: String,
    pub prediction: Option<Prediction>,
    pub thresholds: Thresholds,
    pub policy: Option<crate::domain::Policy>,
    pub sight: Sight,
    /// All pictures of the same inspection, this one included; empty for imports.
    pub inspection: Vec<InspectedItem>,
    pub history: Vec<HistoryEntry>,
    pub label: Option<Label>,
    /// This reviewer's own standing answer.
    pub own: Option<Verdict>,
    /// The retention rule that erased the picture.
    pub expired: Option<String>,
}

impl Card {
    /// As `reviewer` may see it; `None` where there is no such item.
    pub(super) fn read(line: &Line, id: ItemId, reviewer: &str) -> Result<Option<Self>, EngineError> {
        let view = line.store.view();
        let Some(item) = view.item(id)? else { return Ok(None) };
        let settings = view.settings()?;
        let prediction = view.prediction(id)?;
        let policy = settings.policy.filter(|_| {
            let live = settings.model.as_ref().map(|model| &model.hash);
            live.is_some() && live == prediction.as_ref().map(|p| &p.model.hash)
        });
        let own = view
            .verdicts(id)?
            .into_iter()
            .map(|StandingVerdict { verdict, .. }| verdict)
            .rfind(|verdict| verdict.reviewer == reviewer);
        let card = Self {
            is_waiting: view.is_waiting(id)?,
            reason: view.decision(id)?.map_or_else(|| "imported".to_owned(), |(_, _, reason)| reason),
            prediction,
            thresholds: policy.as_ref().map_or_else(Thresholds::default, |policy| policy.thresholds),
            policy,
            sight: sight(&line.plan, settings.level),
            inspection: item.inspection.map_or_else(|| Ok(Vec::new()), |id| view.inspected_items(id))?,
            history: view.history(id)?,
            label: view.label(id)?,
            own,
            expired: view.expired(&item.media)?,
            item,
        };
        Ok(Some(if view.is_blind(id)? { blinded(card) } else { card }))
    }
}

/// Asked blind: nothing on the card tells a check of the station from a question, nor a first look from a
/// second.
fn blinded(card: Card) -> Card {
    let (own, arrived) = (card.item.id, |entry: &HistoryEntry| matches!(entry.event, Event::ItemArrived(_)));
    let hidden = |other: InspectedItem| InspectedItem {
        outcome: Outcome::Review,
        decided_by: DecidedBy::Station,
        reason: ASKED_BLIND.to_owned(),
        ..other
    };
    Card {
        reason: ASKED_BLIND.to_owned(),
        sight: Sight::Hidden,
        inspection: card
            .inspection
            .into_iter()
            .map(|other| if other.item.id == own { hidden(other) } else { other })
            .collect(),
        history: card.history.into_iter().filter(arrived).collect(),
        label: None,
        own: None,
        ..card
    }
}

/// At the levels at which a model is only tried, nobody sees it; else the plan says.
fn sight(plan: &Plan, level: Level) -> Sight {
    match (level, plan.review.mode) {
        (Level::Manual | Level::Shadow, _) | (_, ReviewMode::Hidden) => Sight::Hidden,
        (_, ReviewMode::DecideFirst) => Sight::AfterAnswer,
        (_, ReviewMode::Shown) => Sight::Shown,
    }
}
