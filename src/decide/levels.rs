//! The level of automation as a state machine: a person raises it where the evidence for that level is
//! there; it falls by itself, at once, to what is still justified.

use crate::domain::Level;
use serde::Serialize;

/// What a level may rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact for itself")]
pub struct Circumstances {
    pub has_model: bool,
    pub has_promise: bool,
    /// The evidence supports the promise with a person between the thresholds; without one.
    pub is_supported: bool,
    pub is_supported_full: bool,
    /// Automatic decisions are checked at random.
    pub is_audited: bool,
    /// In words; none may stand.
    pub alarms: Vec<String>,
    /// What is missing to the promise, in words.
    pub missing: Option<String>,
}

/// One line of a level's check list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    pub what: String,
    pub is_met: bool,
}

/// What a level takes.
#[must_use]
pub fn requirements(level: Level, now: &Circumstances) -> Vec<Requirement> {
    let line = |what: &str, is_met: bool| Requirement { what: what.to_owned(), is_met };
    let mut list = Vec::new();
    if level == Level::Shadow || level.is_automatic() {
        list.push(line("a live model", now.has_model));
    }
    if !level.is_automatic() {
        return list;
    }
    list.push(line("a promise in the plan", now.has_promise));
    let (is_supported, what) = match level {
        Level::Full => {
            (now.is_supported && now.is_supported_full, "evidence that supports the promise without a person")
        }
        _ => (now.is_supported, "evidence that supports the promise"),
    };
    let missing = now.missing.as_ref().filter(|_| !is_supported);
    list.push(Requirement {
        what: missing.map_or_else(|| what.to_owned(), |missing| format!("{what}: {missing}")),
        is_met: is_supported,
    });
    list.push(line("random checks of its decisions", now.is_audited));
    if now.alarms.is_empty() {
        list.push(line("no alarm", true));
    }
    list.extend(now.alarms.iter().map(|alarm| line(&format!("no alarm: {alarm}"), false)));
    list
}

/// The highest level that is not above `level` and has all that it takes. Levels at which people decide
/// everything always have.
#[must_use]
pub fn highest_justified(level: Level, now: &Circumstances) -> Level {
    Level::ALL
        .into_iter()
        .rev()
        .filter(|lower| *lower <= level)
        .find(|lower| !lower.is_automatic() || requirements(*lower, now).iter().all(|r| r.is_met))
        .unwrap_or(Level::Manual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all_is_well() -> Circumstances {
        Circumstances {
            has_model: true,
            has_promise: true,
            is_supported: true,
            is_supported_full: true,
            is_audited: true,
            ..Circumstances::default()
        }
    }

    #[test]
    fn what_stops_being_true_takes_the_level_down_as_far_as_needed() {
        assert_eq!(highest_justified(Level::Full, &all_is_well()), Level::Full);
        let partly = Circumstances { is_supported_full: false, ..all_is_well() };
        assert_eq!(highest_justified(Level::Full, &partly), Level::Partial);
        let alarmed = Circumstances { alarms: vec!["light".into()], ..all_is_well() };
        assert_eq!(highest_justified(Level::Full, &alarmed), Level::Assist);
        assert_eq!(highest_justified(Level::Shadow, &Circumstances::default()), Level::Shadow);
        let list = requirements(Level::Partial, &alarmed);
        assert!(list.iter().any(|line| line.what.contains("light") && !line.is_met));
    }

    proptest! {
        #[test]
        fn nothing_raises_a_level_by_itself(
            facts in prop::array::uniform5(any::<bool>()), alarms in 0_usize..3, at in 0_usize..5,
        ) {
            let [has_model, has_promise, is_supported, is_supported_full, is_audited] = facts;
            let now = Circumstances {
                has_model, has_promise, is_supported, is_supported_full, is_audited,
                alarms: vec!["x".into(); alarms], missing: None,
            };
            let level = Level::ALL[at];
            let to = highest_justified(level, &now);
            prop_assert!(to <= level);
            let is_safe = has_model && has_promise && is_supported && is_audited && alarms == 0;
            prop_assert!(!to.is_automatic() || is_safe);
        }
    }
}
