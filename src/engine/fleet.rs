//! The models of a running station, loaded and warm: the live one, the canary, those in shadow, and the
//! one to go back to. Which of them decides changes between two items, by one swap.

use super::find_model;
use super::release::warm_up;
use crate::decide::falls_on;
use crate::domain::{Canary, Level, ModelRef, Reason, Release, ReleaseState};
use crate::infer::Model;
use crate::store::{Settings, StoreError, View};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A model as loaded, or why it cannot be used.
pub(super) struct Loaded {
    pub level: Level,
    /// What the line's settings name.
    pub wanted: Option<ModelRef>,
    pub model: Result<Arc<Model>, Reason>,
}

/// Who decides what, at one time.
pub(super) struct Fleet {
    pub level: Level,
    pub live: Arc<Loaded>,
    pub canary: Option<(Canary, Arc<Loaded>)>,
    /// Predict beside the others.
    pub shadows: Vec<Arc<Model>>,
    key: [u8; 32],
}

impl Fleet {
    /// The model that is to look at a unit: the same one whenever it comes. A canary that cannot be
    /// loaded leaves its share to the live one.
    pub fn for_unit(&self, unit: &str) -> &Arc<Loaded> {
        match &self.canary {
            Some((canary, loaded))
                if loaded.model.is_ok()
                    && is_canary_unit(&self.key, loaded.wanted.as_ref(), canary, unit) =>
            {
                loaded
            }
            _ => &self.live,
        }
    }
}

/// Whether a unit falls into a canary's share.
fn is_canary_unit(key: &[u8; 32], model: Option<&ModelRef>, canary: &Canary, unit: &str) -> bool {
    let purpose = model.map_or_else(String::new, |model| format!("canary {}", model.hash));
    falls_on(key, &purpose, unit, canary.share)
}

/// Keeps models warm from one fleet to the next.
pub(super) struct Hangar {
    folder: PathBuf,
    key: [u8; 32],
    /// By name and hash; what could not be loaded is tried again only after something has changed.
    warm: BTreeMap<[String; 2], Result<Arc<Model>, Reason>>,
}

impl Hangar {
    pub fn new(folder: PathBuf, key: [u8; 32]) -> Self {
        Self { folder, key, warm: BTreeMap::new() }
    }

    /// What the line's settings ask for. `None` where `now` is that already.
    pub fn fleet(&mut self, view: &View<'_>, now: Option<&Fleet>) -> Result<Option<Fleet>, StoreError> {
        let settings = view.settings()?;
        let releases = view.releases()?;
        if now.is_some_and(|now| now.is_of(&settings, &releases)) {
            return Ok(None);
        }
        let before = view.live_before()?;
        let kept = |release: &&Release| {
            matches!(release.state, ReleaseState::Live | ReleaseState::Shadow | ReleaseState::Canary)
                || before.as_ref().is_some_and(|before| before.model == release.model)
        };
        let wanted: Vec<&Release> = releases.iter().filter(kept).collect();
        self.warm.retain(|named, model| model.is_ok() && wanted.iter().any(|r| key(&r.model) == *named));
        let level = settings.level;
        let live = match &settings.model {
            Some(model) => self.loaded(level, model),
            None => Loaded {
                level,
                wanted: None,
                model: Err(Reason::NoModel { why: "none is released on this line".into() }),
            },
        };
        let of = |state| wanted.iter().filter(move |release| release.state == state);
        let canary = of(ReleaseState::Canary)
            .find_map(|r| Some((r.canary.clone()?, Arc::new(self.loaded(level, &r.model)))));
        let shadows: Vec<ModelRef> = of(ReleaseState::Shadow).map(|r| r.model.clone()).collect();
        let shadows = shadows.iter().filter_map(|model| self.model(model).ok()).collect();
        if let Some(before) = &before {
            // Warm for a rollback; where it cannot be loaded that is said when somebody asks for it.
            let _ = self.model(&before.model);
        }
        Ok(Some(Fleet { level, live: Arc::new(live), canary, shadows, key: self.key }))
    }

    fn loaded(&mut self, level: Level, model: &ModelRef) -> Loaded {
        Loaded { level, wanted: Some(model.clone()), model: self.model(model) }
    }

    fn model(&mut self, wanted: &ModelRef) -> Result<Arc<Model>, Reason> {
        if let Some(found) = self.warm.get(&key(wanted)) {
            return found.clone();
        }
        let no_model = |why: String| Err(Reason::NoModel { why });
        let found = match find_model(Some(&self.folder), &wanted.name) {
            Err(error) => no_model(error.to_string()),
            Ok(model) if model.model_ref() != wanted => {
                no_model(format!("package {} is not the one that was released (another hash)", wanted.name))
            }
            Ok(model) => match warm_up(&model) {
                Ok(_) => Ok(Arc::new(model)),
                Err(why) => no_model(format!("{}: {why}", wanted.name)),
            },
        };
        self.warm.insert(key(wanted), found.clone());
        found
    }
}

fn key(model: &ModelRef) -> [String; 2] {
    [model.name.clone(), model.hash.clone()]
}

impl Fleet {
    fn is_of(&self, settings: &Settings, releases: &[Release]) -> bool {
        let canary = releases.iter().find(|release| release.state == ReleaseState::Canary);
        let same_canary = match (&self.canary, canary) {
            (None, None) => true,
            (Some((canary, loaded)), Some(release)) => {
                Some(canary) == release.canary.as_ref() && loaded.wanted.as_ref() == Some(&release.model)
            }
            _ => false,
        };
        let in_shadow =
            |model: &ModelRef| releases.iter().any(|r| r.state == ReleaseState::Shadow && r.model == *model);
        let shadows = releases.iter().filter(|release| release.state == ReleaseState::Shadow).count();
        self.level == settings.level
            && self.live.wanted == settings.model
            && same_canary
            && self.shadows.len() == shadows
            && self.shadows.iter().all(|model| in_shadow(model.model_ref()))
    }
}
