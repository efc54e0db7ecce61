//! What a plan promises: limits for the whole line and for single classes, and which of them a line
//! can have.

use super::{Plan, PlanError, Probability, Route, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// "At most `limit`, at confidence `confidence`."
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub limit: Probability,
    pub confidence: Probability,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// Defective among passed.
    Outgoing,
    /// Passed among defective.
    Miss,
    /// Diverted among good.
    Overkill,
    /// Wrong among accepted unseen.
    Error,
}

impl LimitKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Miss => "miss",
            Self::Overkill => "overkill",
            Self::Error => "error",
        }
    }

    /// Whether it limits what is passed.
    #[must_use]
    pub const fn is_on_escapes(self) -> bool {
        matches!(self, Self::Outgoing | Self::Miss)
    }

    /// Whether it is a rate among what would be decided, and not among all of a kind.
    #[must_use]
    pub const fn is_among_decided(self) -> bool {
        matches!(self, Self::Outgoing | Self::Error)
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Limits for the units of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassPromise {
    /// Passed among the units that have this class, on lines that find defects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miss: Option<Limit>,
    /// Wrong among those accepted unseen as this class, on lines that name items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Limit>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Promise {
    /// Defective among passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outgoing: Option<Limit>,
    /// Passed among defective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miss: Option<Limit>,
    /// Diverted among good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overkill: Option<Limit>,
    /// Wrong among accepted unseen, for classification and transcripts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Limit>,
    /// By the class's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub class: BTreeMap<String, ClassPromise>,
}

/// One limit of a promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stated<'a> {
    pub kind: LimitKind,
    /// Whose units it is about; `None` for all.
    pub class: Option<&'a str>,
    pub limit: Limit,
}

impl Promise {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every limit: those of the whole line first, then by class. The order decides nothing but the order
    /// in which they are told.
    #[must_use]
    pub fn stated(&self) -> Vec<Stated<'_>> {
        let of_line = [
            (LimitKind::Outgoing, None, self.outgoing),
            (LimitKind::Miss, None, self.miss),
            (LimitKind::Overkill, None, self.overkill),
            (LimitKind::Error, None, self.error),
        ];
        let of_classes = self.class.iter().flat_map(|(name, of_class)| {
            let class = Some(name.as_str());
            [(LimitKind::Miss, class, of_class.miss), (LimitKind::Error, class, of_class.error)]
        });
        of_line
            .into_iter()
            .chain(of_classes)
            .filter_map(|(kind, class, limit)| Some(Stated { kind, class, limit: limit? }))
            .collect()
    }
}

/// A kind of limit and the class that it is about, in words.
#[must_use]
pub fn limit_name(kind: LimitKind, class: Option<&str>) -> String {
    class.map_or_else(|| kind.to_string(), |class| format!("{kind} of class {class}"))
}

/// Some of a plan's classes, by their places in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u128);

impl ClassSet {
    /// Classes of a plan that can have limits of their own.
    pub const PLACES: usize = 128;
    pub const EMPTY: Self = Self(0);

    /// The class at a place; none beyond [`Self::PLACES`].
    #[must_use]
    pub const fn of_place(place: usize) -> Self {
        if place < Self::PLACES { Self(1 << place) } else { Self::EMPTY }
    }

    /// The classes at the places of these names; unknown names have none.
    pub fn of_names<'a>(
        known: &(impl Iterator<Item = &'a str> + Clone),
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let place = |name: &str| known.clone().position(|known| known == name);
        names.into_iter().filter_map(place).fold(Self::EMPTY, |set, place| set.union(Self::of_place(place)))
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Plan {
    /// Those of the names that the plan has.
    pub fn class_set<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> ClassSet {
        ClassSet::of_names(&self.classes.iter().map(|class| class.name.as_str()), names)
    }

    /// Whether the plan can promise what it does.
    pub(super) fn check_promise(&self) -> Result<(), PlanError> {
        for Stated { kind, class, limit } in self.promise.stated() {
            let key = match class {
                Some(class) => format!("promise.class.{class}.{kind}"),
                None => format!("promise.{kind}"),
            };
            let inside = |p: Probability| p > Probability::ZERO && p < Probability::ONE;
            if !(inside(limit.limit) && inside(limit.confidence)) {
                return refuse(format!("{key}: limit and confidence must lie strictly between 0 and 1"));
            }
            self.check_kind(&key, kind)?;
            if let Some(class) = class {
                self.check_class_limit(&key, kind, class)?;
            }
        }
        for (name, of_class) in &self.promise.class {
            self.known_class(&format!("promise.class.{name}"), name)?;
            if *of_class == ClassPromise::default() {
                return refuse(format!("promise.class.{name} promises nothing: it takes miss or error"));
            }
        }
        self.check_classes_are_covered()
    }

    fn known_class(&self, key: &str, name: &str) -> Result<usize, PlanError> {
        if let Some(place) = self.classes.iter().position(|class| class.name == name) {
            return Ok(place);
        }
        let names: Vec<&str> = self.classes.iter().map(|class| class.name.as_str()).collect();
        let meant = super::plan_text::closest(name, &names);
        let hint = meant.map_or_else(
            || format!("; it has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }),
            |word| format!("; did you mean \"{word}\"?"),
        );
        refuse(format!("{key}: the plan has no class \"{name}\"{hint}"))
    }

    /// Lines that find defects and lines that name items are right and wrong in different ways.
    fn check_kind(&self, key: &str, kind: LimitKind) -> Result<(), PlanError> {
        let can = match (kind, self.task) {
            (LimitKind::Error, Task::Defect) => {
                "only a line that names items can name them wrongly; did you mean miss?"
            }
            (LimitKind::Miss, Task::Classify | Task::Transcribe) => {
                "only a line that finds defects can miss them; did you mean error?"
            }
            (LimitKind::Overkill | LimitKind::Outgoing, Task::Classify | Task::Transcribe) => {
                "only a line that finds defects can limit it; did you mean error?"
            }
            _ => return Ok(()),
        };
        refuse(format!("{key}: {can}"))
    }

    fn check_class_limit(&self, key: &str, kind: LimitKind, name: &str) -> Result<(), PlanError> {
        let place = self.known_class(key, name)?;
        if place >= ClassSet::PLACES {
            return refuse(format!(
                "{key}: only the first {} classes can have limits of their own",
                ClassSet::PLACES
            ));
        }
        if kind == LimitKind::Miss && self.route(name) == Some(Route::Pass) {
            return refuse(format!("{key}: class \"{name}\" passes, so that it cannot be missed"));
        }
        Ok(())
    }

    /// A limit on one class opens the threshold for all: whatever that lets through must be promised too.
    fn check_classes_are_covered(&self) -> Result<(), PlanError> {
        let promise = &self.promise;
        let has = |name: &str| {
            promise.class.get(name).is_some_and(|one| match self.task {
                Task::Defect => one.miss.is_some(),
                Task::Classify | Task::Transcribe => one.error.is_some(),
            })
        };
        let (is_covered, whole) = match self.task {
            Task::Defect => (promise.outgoing.or(promise.miss).is_some(), "promise.miss or promise.outgoing"),
            Task::Classify | Task::Transcribe => (promise.error.is_some(), "promise.error"),
        };
        let counts = |route: Route| self.task != Task::Defect || route == Route::Divert;
        let open = self.classes.iter().find(|class| counts(class.route) && !has(&class.name));
        match open {
            Some(class) if !is_covered && !promise.class.is_empty() => refuse(format!(
                "promise.class: nothing is promised of class \"{}\"; give it a limit too, or add {whole}",
                class.name
            )),
            _ => Ok(()),
        }
    }
}

fn refuse<T>(message: String) -> Result<T, PlanError> {
    Err(PlanError::Meaning(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "name = \"Tiles\"\ntask = \"defect\"\n\
        [[class]]\nname = \"good\"\nroute = \"pass\"\n\
        [[class]]\nname = \"crack\"\nroute = \"divert\"\n\
        [[class]]\nname = \"scratch\"\nroute = \"divert\"\n";
    const WHOLE: &str = "[promise]\noutgoing = { limit = 0.01, confidence = 0.95 }\n";
    const CRACK: &str = "[promise.class.crack]\nmiss = { limit = 0.005, confidence = 0.95 }\n";

    #[test]
    fn limits_of_classes_read_back_and_come_after_those_of_the_line() {
        let plan = Plan::from_toml(&format!("{LINE}{WHOLE}{CRACK}")).unwrap();
        let limit = Probability::saturating(0.005);
        assert_eq!(plan.promise.class["crack"].miss.unwrap().limit, limit);
        let stated: Vec<String> =
            plan.promise.stated().iter().map(|one| limit_name(one.kind, one.class)).collect();
        assert_eq!(stated, ["outgoing", "miss of class crack"]);
        assert_eq!(Plan::from_toml(&plan.to_toml().unwrap()).unwrap(), plan);
        // Without a limit for the line every class that diverts has one of its own.
        let both = CRACK.to_owned() + &CRACK.replace("crack", "scratch");
        assert!(Plan::from_toml(&format!("{LINE}{both}")).is_ok());
        let naming = LINE.replace("defect", "classify");
        let error = "[promise]\nerror = { limit = 0.02, confidence = 0.9 }\n\
                     class.good.error = { limit = 0.01, confidence = 0.9 }\n";
        let plan = Plan::from_toml(&format!("{naming}{error}")).unwrap();
        assert!(plan.promise.class["good"].error.is_some());
    }

    #[test]
    fn what_makes_no_sense_for_a_class_is_refused_with_the_reason() {
        let refused = |line: &str, promise: &str, expected: &str| {
            let error = Plan::from_toml(&format!("{line}{promise}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let with = |change: [&str; 2]| format!("{WHOLE}{}", CRACK.replace(change[0], change[1]));
        refused(LINE, &with(["crack", "crak"]), "no class \"crak\"; did you mean \"crack\"?");
        refused(LINE, &with(["crack", "burr"]), "it has good, crack, scratch");
        refused(LINE, &with(["crack", "good"]), "class \"good\" passes");
        refused(LINE, &with(["0.005", "0.0"]), "promise.class.crack.miss: limit and confidence");
        refused(LINE, &with(["0.005", "1.5"]), "not a probability");
        refused(LINE, &with(["miss", "error"]), "did you mean miss?");
        refused(LINE, &with(["miss", "mis"]), "did you mean `miss`?");
        refused(LINE, &with(["miss = { limit = 0.005, confidence = 0.95 }", ""]), "promises nothing");
        refused(LINE, CRACK, "nothing is promised of class \"scratch\"");
        let naming = LINE.replace("defect", "classify");
        for kind in ["miss", "overkill", "outgoing"] {
            refused(&naming, &WHOLE.replace("outgoing", kind), "did you mean error?");
        }
        refused(LINE, &WHOLE.replace("outgoing", "error"), "did you mean miss?");
        refused(&naming, CRACK, "did you mean error?");
    }

    #[test]
    fn a_set_of_classes_knows_its_places_and_no_others() {
        let plan = Plan::from_toml(LINE).unwrap();
        let crack = plan.class_set(["crack"]);
        assert!(plan.class_set(["scratch", "crack"]).meets(crack));
        assert!(!plan.class_set(["good", "scratch"]).meets(crack));
        assert!(plan.class_set(["burr"]).is_empty() && ClassSet::of_place(128).is_empty());
        assert!(!ClassSet::of_place(127).is_empty());
    }
}
