//! Models that predict beside the station and never act: on items that it has recorded already, at the
//! lowest priority, and not at all while it is behind.
//!
//! A shadow reads the store and the blobs, never the stages: it cannot hold them up. Of a canary's items the
//! live model is the shadow, and of all others the canary is: so both have seen everything, and a bad canary
//! is noticed by the whole line and not by its share alone.

use super::EngineError;
use super::compare::disagree;
use super::decode::predict_alone;
use super::station::{Shared, StationEvent};
use super::task::lower_priority;
use crate::decide::falls_on;
use crate::domain::{Event, ItemId, ModelRef, Outcome, Prediction, Probability};
use crate::infer::Model;
use crate::store::{ShadowItem, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two looks for new items, and while the station is behind.
const TICK: Duration = Duration::from_millis(50);
/// Items that are looked at under one commit.
const BATCH: usize = 8;
/// Further behind than this, a shadow leaves items out: it is to say what a candidate would do now.
const BEHIND_MAX: usize = 500;
/// Items in flight with which the station is behind.
const BUSY: usize = 2;
/// Questions for a comparison that wait; with so many a shadow waits too.
const ASKED_MAX: u64 = 200;

pub(super) fn run_shadow(shared: &Shared, store: Store) {
    lower_priority();
    let mut shadow = Shadow { shared, store, reached: BTreeMap::new() };
    loop {
        if shared.is_stopping() {
            return;
        }
        let is_over = shared.writer_done.load(Ordering::Acquire);
        match shadow.work() {
            Ok(0) if is_over => return,
            Ok(0) => std::thread::sleep(TICK),
            Ok(_) => {}
            Err(error) => {
                shared.tell(StationEvent::Trouble(format!("models in shadow: {error}")));
                if is_over {
                    return;
                }
                std::thread::sleep(TICK);
            }
        }
    }
}

struct Shadow<'a> {
    shared: &'a Shared,
    store: Store,
    /// The newest item that each model has looked at, or left out.
    reached: BTreeMap<String, Option<ItemId>>,
}

/// One look of a model in shadow.
struct Looked {
    item: ItemId,
    prediction: Prediction,
    /// A question to a person that follows from it.
    asked: Option<(bool, Probability)>,
}

impl Shadow<'_> {
    /// Looks at the next items; how many.
    fn work(&mut self) -> Result<usize, EngineError> {
        let fleet = self.shared.fleet();
        let live = fleet.live.model.as_ref().ok();
        let canary = fleet.canary.as_ref().and_then(|(_, loaded)| loaded.model.as_ref().ok());
        let sharers: Vec<[&Arc<Model>; 2]> = live.zip(canary).map(|(a, b)| [a, b]).into_iter().collect();
        // Whoever comes into shadow again begins with that trial, and not where the last one ended.
        let followed: Vec<&Arc<Model>> =
            fleet.shadows.iter().chain(sharers.iter().copied().flatten()).collect();
        self.reached.retain(|hash, _| followed.iter().any(|model| model.model_ref().hash == *hash));
        let mut looked = 0;
        for model in &fleet.shadows {
            looked += self.follow(model, &model.model_ref().hash, |_| true)?;
        }
        // Each of the two looks at what the other one decides.
        for [live, canary] in sharers {
            let trial = &canary.model_ref().hash;
            for (model, other) in [(live, canary), (canary, live)] {
                let by_other = |p: &Prediction| p.model == *other.model_ref();
                looked += self.follow(model, trial, |item| item.prediction.as_ref().is_some_and(by_other))?;
            }
        }
        Ok(looked)
    }

    /// `trial` is the hash of the model whose trial this is part of.
    fn follow(
        &mut self,
        model: &Arc<Model>,
        trial: &str,
        wanted: impl Fn(&ShadowItem) -> bool,
    ) -> Result<usize, EngineError> {
        let hash = model.model_ref().hash.clone();
        let after = match self.reached.get(&hash) {
            Some(after) => *after,
            None => self.first(&hash, trial)?,
        };
        self.reached.insert(hash.clone(), after);
        let mut items = self.store.view().shadow_items(after, BEHIND_MAX + 1)?;
        if items.len() > BEHIND_MAX {
            return self.leave_out(model.model_ref(), &items, &wanted);
        }
        // Without room for its questions it would see what people are asked anyway and not the rest: no fair
        // sample of the line.
        if self.store.view().comparisons_waiting()? + BATCH as u64 > ASKED_MAX {
            return Ok(0);
        }
        items.truncate(BATCH);
        let Some(last) = items.last().map(|item| item.item) else { return Ok(0) };
        let count = items.len();
        let key = self.store.audit_key();
        let share = Probability::saturating(self.shared.plan.release.shadow_share);
        let drawn = |item: &ShadowItem| falls_on(&key, "shadow", &item.item.to_string(), share);
        let mut looks = Vec::new();
        for item in items.iter().filter(|item| wanted(item) && drawn(item)) {
            while self.shared.in_flight.load(Ordering::Relaxed) >= BUSY && !self.shared.is_stopping() {
                std::thread::sleep(TICK);
            }
            if self.shared.is_stopping() {
                return Ok(0);
            }
            let Some(decided) = &item.prediction else { continue };
            if decided.model.hash == hash {
                continue;
            }
            match predict_alone(self.shared, model, item) {
                Ok(prediction) => {
                    let asked = self.question(&key, item, decided, &prediction);
                    looks.push(Looked { item: item.item, prediction, asked });
                }
                Err(why) => self
                    .shared
                    .tell(StationEvent::Trouble(format!("{} in shadow: {why}", model.model_ref().name))),
            }
        }
        self.write(model.model_ref(), looks)?;
        self.reached.insert(hash, Some(last));
        Ok(count)
    }

    /// Where a shadow begins: with the trial, or behind the last item that it has seen in it.
    fn first(&self, hash: &str, trial: &str) -> Result<Option<ItemId>, StoreError> {
        let view = self.store.view();
        let since = view.release(trial)?.map(|release| release.since);
        Ok(view.newest_shadow(hash)?.max(view.newest_item_before(since)?))
    }

    /// Goes on with the newest and counts what is left out.
    fn leave_out(
        &mut self,
        model: &ModelRef,
        items: &[ShadowItem],
        wanted: impl Fn(&ShadowItem) -> bool,
    ) -> Result<usize, EngineError> {
        let Some(last) = items.last() else { return Ok(0) };
        let dropped = items.iter().filter(|item| wanted(item)).count() as u64;
        if dropped > 0 {
            self.store.transact::<_, EngineError>(super::steward::STATION, |tx| {
                tx.append(&Event::ShadowDropped { model: model.clone(), items: dropped })?;
                Ok(())
            })?;
        }
        self.reached.insert(model.hash.clone(), Some(last.item));
        Ok(items.len())
    }

    /// Whether a person is asked about a decided item: always where the two differ, else by a draw.
    fn question(
        &self,
        key: &[u8; 32],
        item: &ShadowItem,
        decided: &Prediction,
        other: &Prediction,
    ) -> Option<(bool, Probability)> {
        if item.outcome == Outcome::Review {
            return None;
        }
        let agree = !disagree(&self.shared.plan, decided, other);
        let share = if agree { self.shared.plan.release.agreements } else { 1.0 };
        let probability = Probability::saturating(share);
        falls_on(key, "comparison", &item.item.to_string(), probability).then_some((agree, probability))
    }

    fn write(&mut self, model: &ModelRef, looks: Vec<Looked>) -> Result<(), EngineError> {
        if looks.is_empty() {
            return Ok(());
        }
        self.store.transact::<_, EngineError>(super::steward::STATION, |tx| {
            for Looked { item, prediction, asked } in looks {
                tx.append(&Event::ShadowPredicted { item, prediction })?;
                if let Some((agree, probability)) = asked {
                    let model = model.clone();
                    tx.append(&Event::ComparisonAsked { item, model, agree, probability })?;
                }
            }
            Ok(())
        })
    }
}
