//! Sources that deliver arrivals: the simulated lines, the watched folder, how a file's path
//! names its unit, and where a long recording is cut, or what a microphone hears.
//!
//! Must not know models, decisions or the store.

pub mod cut;
pub mod folder;
mod gate;
pub mod listen;
pub mod pattern;
pub mod simulator;

use std::fs;
use std::io;
use std::path::Path;

/// Lets a file appear whole or not at all: `write` fills it under a hidden name, so that a watcher never sees
/// half of it.
pub fn appear(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = path.with_file_name(format!(".{name}"));
    write(&hidden)?;
    fs::rename(&hidden, path)
}
