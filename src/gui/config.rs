//! What the window remembers of a person on this machine: the last line, theme, text size, name and
//! keys. Read once when it opens, written by a thread of its own when something changes.

use super::verbs::Keymap;
use crossbeam_channel::{Sender, bounded};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Text sizes in percent.
pub const TEXT_MIN: u16 = 80;
pub const TEXT_MAX: u16 = 200;
pub const TEXT_STEP: u16 = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeChoice {
    #[default]
    Dark,
    Light,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub last_line: Option<PathBuf>,
    pub theme: ThemeChoice,
    pub text_percent: u16,
    pub reviewer: String,
    /// Changed keys by the id of their verb.
    pub keys: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        Self {
            last_line: None,
            theme: ThemeChoice::default(),
            text_percent: 100,
            reviewer: user.filter(|name| !name.is_empty()).unwrap_or_else(|| "reviewer".into()),
            keys: BTreeMap::new(),
        }
    }
}

impl Config {
    /// What was remembered; a file that cannot be read is told and left as it is.
    pub fn load(path: &Path) -> (Self, Vec<String>) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return (Self::default(), Vec::new());
            }
            Err(error) => return (Self::default(), vec![format!("{error}: {}", path.display())]),
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(mut config) => {
                config.text_percent = config.text_percent.clamp(TEXT_MIN, TEXT_MAX);
                (config, Vec::new())
            }
            Err(error) => {
                (Self::default(), vec![format!("settings are not readable: {error}: {}", path.display())])
            }
        }
    }

    pub fn keymap(&self) -> (Keymap, Vec<String>) {
        Keymap::from_settings(&self.keys)
    }
}

/// Where the window keeps its settings, as the platform names it.
pub fn folder() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("secondlook")
}

/// Writes settings behind the window's back; only the newest counts.
pub struct Keeper {
    newest: Sender<Config>,
}

impl Keeper {
    /// `told` takes what went wrong.
    pub fn start(path: PathBuf, told: impl Fn(String) + Send + 'static) -> Result<Self, String> {
        let (newest, changes) = bounded::<Config>(16);
        std::thread::Builder::new()
            .name("settings".into())
            .spawn(move || {
                while let Ok(config) = changes.recv() {
                    let config = changes.try_iter().last().unwrap_or(config);
                    if let Err(error) = save(&config, &path) {
                        told(format!("settings are not saved: {error}: {}", path.display()));
                    }
                }
            })
            .map_err(|error| format!("cannot start the settings thread: {error}"))?;
        Ok(Self { newest })
    }

    pub fn keep(&self, config: &Config) {
        // A full channel: sixteen changes wait, and a later one will come.
        let _ = self.newest.try_send(config.clone());
    }
}

fn save(config: &Config, path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("json.partial");
    std::fs::write(&partial, serde_json::to_vec_pretty(config)?)?;
    std::fs::rename(&partial, path)
}
