//! Data sets as the verbs name them: a folder with `items.jsonl`, or `simulator:N`, or `motor:N`.

use super::EngineError;
use super::evidence::population_name;
use crate::domain::{
    Drift, DriftKind, Filter, LabelledItem, SimulatorKind, SimulatorSettings, TranscriptRule, check_simulator,
};
use crate::ingest::simulator::write_dataset;
use crate::labels::{self, Skipped};
use crate::learn::{self, JoinRange};
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq)]
pub enum DatasetSource {
    Folder(PathBuf),
    /// This many rendered units, with settings that differ from the line's. `kind` is that of the
    /// line's simulator when absent.
    Simulator {
        kind: Option<SimulatorKind>,
        units: u64,
        changes: Vec<SimulatorChange>,
    },
}

/// `simulator:N,NAME=VALUE,…`: how rendered units differ from what the line's plan says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SimulatorChange {
    Seed(u64),
    DefectShare(f64),
    Light(f64),
    /// All of it, from the first unit on.
    Drift(DriftKind, f64),
}

impl FromStr for SimulatorChange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("\"{text}\" is no NAME=VALUE"))?;
        let bad = || format!("\"{value}\" is no value of {name}");
        let number = || value.parse::<f64>().map_err(|_| bad());
        let kinds = [
            DriftKind::LampFailure,
            DriftKind::DirtyLens,
            DriftKind::NewColour,
            DriftKind::NewDefect,
            DriftKind::CameraMoved,
            DriftKind::Background,
            DriftKind::MicrophoneGain,
            DriftKind::Muffled,
        ];
        match name {
            "seed" => value.parse().map(Self::Seed).map_err(|_| bad()),
            "defect-share" => Ok(Self::DefectShare(number()?)),
            "light" => Ok(Self::Light(number()?)),
            name => match kinds.into_iter().find(|kind| kind.as_str() == name) {
                Some(kind) => Ok(Self::Drift(kind, number()?)),
                None => Err(format!(
                    "\"{name}\" is not seed, defect-share, light, {}",
                    kinds.map(DriftKind::as_str).join(", ")
                )),
            },
        }
    }
}

impl SimulatorChange {
    fn apply(self, settings: &mut SimulatorSettings) {
        match self {
            Self::Seed(seed) => settings.seed = seed,
            Self::DefectShare(share) => settings.defect_share = share,
            Self::Light(light) => settings.light = light,
            Self::Drift(kind, level) => {
                settings.drift.push(Drift { kind, at_unit: 0, over_units: 0, level });
            }
        }
    }
}

/// A data set, opened. Rendered ones live in a temporary folder that goes with it.
pub struct Dataset {
    pub items: Vec<LabelledItem>,
    pub skipped: Vec<Skipped>,
    /// Where it comes from, for the log: two data sets with one name are the same.
    pub name: String,
    /// What its items were joined from, where they were.
    taken: Option<Vec<LabelledItem>>,
    _rendered: Option<tempfile::TempDir>,
}

impl Dataset {
    /// Strings of its takes instead of these; see [`learn::join_takes`].
    pub fn joined(
        self,
        range: JoinRange,
        snr_db: Option<f64>,
        rule: &TranscriptRule,
        seed: u64,
    ) -> Result<Self, EngineError> {
        let folder = tempfile::Builder::new()
            .prefix("secondlook-")
            .tempdir()
            .map_err(EngineError::io("cannot create", &std::env::temp_dir()))?;
        let (items, failed) = learn::join_takes(&self.items, range, snr_db, rule, seed, folder.path())?;
        let failed =
            failed.into_iter().map(|(media, reason)| Skipped { line: 0, media: Some(media), reason });
        let noise = snr_db.map_or_else(String::new, |snr_db| format!(", {snr_db} dB above noise"));
        let name = format!("{}, {} to {} joined{noise}, seed {seed}", self.name, range.least, range.most);
        let skipped = self.skipped.into_iter().chain(failed).collect();
        Ok(Self { items, skipped, name, taken: Some(self.items), _rendered: Some(folder) })
    }

    /// The labelled items behind it, as they are known to a line by their bytes.
    pub(super) fn sources(&self) -> &[LabelledItem] {
        self.taken.as_deref().unwrap_or(&self.items)
    }
}

impl FromStr for DatasetSource {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = match text.split_once(':') {
            Some(("simulator", rest)) => (None, rest),
            Some(("motor", rest)) => (Some(SimulatorKind::Motor), rest),
            _ => return Ok(Self::Folder(PathBuf::from(text))),
        };
        let mut parts = rest.split(',');
        let count = parts.next().unwrap_or_default();
        match count.parse() {
            Ok(units) if units > 0 => {
                Ok(Self::Simulator { kind, units, changes: parts.map(str::parse).collect::<Result<_, _>>()? })
            }
            _ => Err(format!("\"{count}\" is not a number of units")),
        }
    }
}

impl DatasetSource {
    /// Opens the data set. `simulator` is what `simulator:N` renders.
    pub fn open(&self, filter: &Filter, simulator: &SimulatorSettings) -> Result<Dataset, EngineError> {
        match self {
            Self::Folder(folder) => {
                let read = labels::read(folder, filter)?;
                let full = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                let name = full
                    .file_name()
                    .map_or_else(|| full.display().to_string(), |n| n.to_string_lossy().into());
                Ok(Dataset { items: read.items, skipped: read.skipped, name, taken: None, _rendered: None })
            }
            Self::Simulator { kind, units, changes } => {
                let mut settings = simulator.of_kind(kind.unwrap_or(simulator.kind));
                for change in changes {
                    change.apply(&mut settings);
                }
                check_simulator(&settings).map_err(|error| EngineError::Usage(error.to_string()))?;
                let simulator = &settings;
                let rendered = tempfile::Builder::new()
                    .prefix("secondlook-")
                    .tempdir()
                    .map_err(EngineError::io("cannot create", &std::env::temp_dir()))?;
                write_dataset(rendered.path(), simulator, *units)?;
                let read = labels::read(rendered.path(), filter)?;
                let name = format!("{}, seed {}", population_name(simulator), simulator.seed);
                Ok(Dataset {
                    items: read.items,
                    skipped: read.skipped,
                    name,
                    taken: None,
                    _rendered: Some(rendered),
                })
            }
        }
    }
}

/// Makes a path absolute without needing it to exist.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MediaKind;

    #[test]
    fn motors_are_rendered_whatever_the_line_makes_and_changes_are_of_their_kind() {
        let phones = SimulatorSettings { defect_share: 1.0, light: 0.5, ..SimulatorSettings::default() };
        let open = |text: &str| text.parse::<DatasetSource>().unwrap().open(&Filter::default(), &phones);
        let motors = open("motor:3,background=2,seed=4").unwrap();
        assert_eq!((motors.items.len(), motors.skipped.len()), (3, 0));
        for item in &motors.items {
            assert_eq!((item.kind, item.label.is_good()), (MediaKind::Audio, false));
            assert!(item.extra.contains_key("severity"));
        }
        assert_eq!(motors.name, "motor simulator, defect share 1, background to 2 at 0 over 0, seed 4");
        for (text, expected) in [
            ("motor:3,light=0.5", "neither positions nor light"),
            ("motor:3,dirty-lens=0.5", "not of the simulator of kind \"motor\""),
            ("simulator:3,muffled=0.5", "not of the simulator of kind \"phone\""),
        ] {
            let error = open(text).map(|set| set.name).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!("motor:none".parse::<DatasetSource>().is_err());
    }
}
