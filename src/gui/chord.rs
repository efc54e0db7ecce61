//! One key with what is held beside it: as it is pressed, written in settings, and shown on a cap.

use eframe::egui::{Key, Modifiers};
use std::fmt;
use std::str::FromStr;

/// One key with what is held beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    pub modifiers: Modifiers,
    pub key: Key,
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (is_held, name) in [
            (self.modifiers.command, "Ctrl+"),
            (self.modifiers.alt, "Alt+"),
            (self.modifiers.shift, "Shift+"),
        ] {
            if is_held {
                f.write_str(name)?;
            }
        }
        f.write_str(self.key.name())
    }
}

impl FromStr for Chord {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut modifiers = Modifiers::NONE;
        let mut rest = text;
        while let Some((name, after)) = rest.split_once('+').filter(|(_, after)| !after.is_empty()) {
            modifiers |= match name {
                "Ctrl" => Modifiers::COMMAND,
                "Alt" => Modifiers::ALT,
                "Shift" => Modifiers::SHIFT,
                other => return Err(format!("\"{other}\" is not Ctrl, Alt or Shift")),
            };
            rest = after;
        }
        let key = Key::from_name(rest).ok_or_else(|| format!("\"{rest}\" is not a key"))?;
        Ok(Self { modifiers, key })
    }
}

impl Chord {
    /// As it is written on a key cap.
    pub fn cap(self) -> String {
        let text = self.to_string();
        text.replace("Questionmark", "?")
            .replace("Plus", "+")
            .replace("Minus", "−")
            .replace("Period", ".")
            .replace("Comma", ",")
            .replace("Escape", "Esc")
            .replace("Delete", "Del")
            .replace("PageUp", "PgUp")
            .replace("PageDown", "PgDn")
    }

    pub fn is_pressed(self, modifiers: Modifiers, key: Key) -> bool {
        // Some symbols are typed with Shift on one keyboard and without it on another.
        let shift_matters = self.modifiers.shift || !is_symbol(key);
        self.key == key
            && self.modifiers.command == modifiers.command
            && self.modifiers.alt == modifiers.alt
            && (!shift_matters || self.modifiers.shift == modifiers.shift)
    }
}

fn is_symbol(key: Key) -> bool {
    let name = key.name();
    name.len() > 1 && matches!(key, Key::Questionmark | Key::Plus | Key::Minus | Key::Period | Key::Comma)
}
