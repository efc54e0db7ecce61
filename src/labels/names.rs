//! File names that every tool and file system accepts, and the split that a group belongs to.
//!
//! Pure text work; knows nothing of files.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest stem of an exported file in bytes: readable, and far below every file system's limit
/// even with a counter, a hash and an extension added.
const STEM_BYTES_MAX: usize = 80;

/// Hex digits of the name's hash that tell apart names which had to be changed.
const HASH_DIGITS: usize = 8;

/// File names that Windows keeps for devices.
const DEVICE_NAMES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Gives out stems, each only once, also where upper and lower case are the same. Stems rather
/// than whole names are unique, because YOLO and VOC pair files by stem.
#[derive(Default)]
pub(super) struct Stems {
    taken: BTreeSet<String>,
}

impl Stems {
    /// A stem from the last part of `name`. A name that could not stay as it was gets the start
    /// of its hash, so that it is the same in every export.
    pub fn take(&mut self, name: &str) -> String {
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let last = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
        let mut stem: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
            .take(STEM_BYTES_MAX)
            .collect();
        let lower = stem.to_ascii_lowercase();
        let is_device = DEVICE_NAMES.iter().any(|device| {
            lower
                .strip_prefix(device)
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        });
        // With the ending of a label track it would read as a selection table of another sound.
        let is_table = lower.ends_with(".selections");
        if stem != last
            || is_device
            || is_table
            || stem.is_empty()
            || stem.starts_with(['.', '-'])
            || stem.ends_with('.')
        {
            let hash = blake3::hash(name.as_bytes()).to_hex();
            let kept = stem.trim_matches(['.', '-', '_']);
            stem = format!("item_{kept}-{}", hash.get(..HASH_DIGITS).unwrap_or_default());
        }
        let mut unique = stem.clone();
        let mut counter = 2_u64;
        while !self.taken.insert(unique.to_ascii_lowercase()) {
            unique = format!("{stem}-{counter}");
            counter += 1;
        }
        unique
    }
}

/// Which part of a data set an item belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// 80 / 10 / 10 by the BLAKE3 of the group: the same group is in the same part on every
    /// machine and in every later export, however the data set grows.
    #[must_use]
    pub fn of_group(group: &str) -> Self {
        let hash = blake3::hash(group.as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        match u32::from_le_bytes([a, b, c, d]) % 100 {
            0..80 => Self::Train,
            80..90 => Self::Validation,
            _ => Self::Test,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The short name that YOLO and VOC use.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_safe_unique_and_stay_the_same() {
        let mut stems = Stems::default();
        assert_eq!(stems.take("images/exp0_num_461.jpg"), "exp0_num_461");
        assert_eq!(stems.take("other/EXP0_num_461.png"), "EXP0_num_461-2");
        for name in [
            "../..",
            "",
            "a\nb.png",
            "日本.png",
            "\"q\".jpg",
            "con.png",
            "COM1.jpg",
            ".hidden",
            "é".repeat(300).as_str(),
        ] {
            let stem = stems.take(name);
            assert!(stem.starts_with("item_") && stem.len() < 120, "{stem}");
            assert!(stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{stem}");
            assert_eq!(Stems::default().take(name), stem);
        }
        assert_eq!(stems.take("console.png"), "console");
        assert!(stems.take("foo.selections.wav").starts_with("item_foo.selections-"));
    }

    #[test]
    fn four_fifths_of_the_groups_train() {
        let count = |split| (0..5000).filter(|i| Split::of_group(&format!("g{i}")) == split).count();
        assert!((3900..4100).contains(&count(Split::Train)));
        assert!((430..570).contains(&count(Split::Test)));
    }
}
