//! Items that two models have both seen, kept up to date with the log: a station looks every second whether
//! its canary is worse, and has no time to read all of them each time.

use crate::domain::{ItemId, Label, LabelStatus, ModelRef, Outcome, Prediction, Probability, Timestamp};
use crate::store::{SeenByBoth, Store, StoreError};
use std::collections::BTreeMap;

/// Both views of one item.
pub(super) struct Both {
    pub item: ItemId,
    pub unit: String,
    pub inspection: String,
    pub source: String,
    pub arrived_at: Timestamp,
    /// Who decided it; the other one looked at it in shadow.
    pub by_candidate: bool,
    pub live: Prediction,
    pub candidate: Prediction,
    /// With which its truth came to be known; `None` while it is not.
    pub known: Option<(Label, Probability)>,
}

/// What the live model and a candidate said since a time, and what people say.
pub(super) struct Pairs {
    pub live: ModelRef,
    pub candidate: ModelRef,
    since: Timestamp,
    /// Number of the last event that has been taken in.
    seq: Option<i64>,
    items: BTreeMap<ItemId, Both>,
}

impl Pairs {
    pub fn new(live: ModelRef, candidate: ModelRef, since: Timestamp) -> Self {
        Self { live, candidate, since, seq: None, items: BTreeMap::new() }
    }

    /// Whether this is about another step, or other models.
    pub fn is_of(&self, live: &ModelRef, candidate: &ModelRef, since: Timestamp) -> bool {
        self.live == *live && self.candidate == *candidate && self.since == since
    }

    /// Takes in what the log says since the last time.
    pub fn catch_up(&mut self, store: &Store) -> Result<(), StoreError> {
        // What comes while the rows are read is read once more the next time.
        let head = store.head()?.count;
        let view = store.view();
        for (looked, decided) in [(&self.candidate, &self.live), (&self.live, &self.candidate)] {
            for seen in view.seen_by_both(&looked.hash, self.since, self.seq)? {
                if seen.decided.model == *decided {
                    self.items.insert(seen.item, of_row(seen, *decided == self.candidate));
                }
            }
        }
        self.seq = Some(head);
        Ok(())
    }

    /// Oldest first.
    pub fn items(&self) -> Vec<&Both> {
        self.items.values().collect()
    }
}

fn of_row(seen: SeenByBoth, by_candidate: bool) -> Both {
    // What was asked for the comparison counts by that draw. What came to a person anyway is known with
    // certainty. Other checks of what was decided alone are left out: only the comparison's own probability is
    // known for each item.
    let probability = match (seen.outcome, seen.asked) {
        (Outcome::Review, _) => Some(Probability::ONE),
        (_, asked) => asked.map(|(_, probability)| probability),
    };
    let known = seen.label.filter(|label| label.status != LabelStatus::Disputed).zip(probability);
    let [decided, other] = [seen.decided, seen.other].map(slimmed);
    let (live, candidate) = if by_candidate { (other, decided) } else { (decided, other) };
    Both {
        item: seen.item,
        unit: seen.unit,
        inspection: seen.inspection,
        source: seen.source,
        arrived_at: seen.arrived_at,
        by_candidate,
        live,
        candidate,
        known,
    }
}

/// Calls and decisions look at neither regions nor features, and these are most of what would be kept.
fn slimmed(prediction: Prediction) -> Prediction {
    Prediction { regions: Vec::new(), features: Vec::new(), ..prediction }
}
