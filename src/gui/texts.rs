//! The window's words in another language: `texts.json` beside the settings maps English texts to
//! their translations. What it does not name stays English.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

static TRANSLATIONS: OnceLock<HashMap<String, String>> = OnceLock::new();

/// Reads the translations, once, before the first text is shown.
pub fn load(path: &Path) -> Result<(), String> {
    if !path.exists() {
        return Ok(());
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{error}: {}", path.display()))?;
    let table = serde_json::from_str(&text).map_err(|error| format!("{error}: {}", path.display()))?;
    TRANSLATIONS.set(table).map_err(|_| "the texts were loaded before".to_owned())
}

/// The text in the language of the window.
pub fn tr(english: &'static str) -> &'static str {
    TRANSLATIONS.get().and_then(|table| table.get(english)).map_or(english, String::as_str)
}
