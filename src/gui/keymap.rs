//! Which keys mean which verbs: the table's own, and those that a person has changed.

use super::super::chord::Chord;
use super::{Scope, TABLE, Verb};
use eframe::egui;
use std::collections::BTreeMap;

/// Which key means which verb: the table's, and what a person has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    changed: BTreeMap<Verb, Option<Chord>>,
}

impl Keymap {
    /// From the settings file, where a verb's id has a chord, or nothing for no key. What cannot be
    /// read, or would mean two things, is left out and told.
    pub fn from_settings(settings: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut keymap = Self::default();
        let mut troubles = Vec::new();
        for (id, text) in settings {
            let Some(about) = TABLE.iter().find(|about| about.verb.id() == *id) else {
                troubles.push(format!("there is no command \"{id}\""));
                continue;
            };
            let chord = match text.as_str() {
                "" => Ok(None),
                text => text.parse().map(Some),
            };
            match chord.and_then(|chord| keymap.set(about.verb, chord)) {
                Ok(()) => {}
                Err(trouble) => troubles.push(format!("{}: {trouble}", about.label())),
            }
        }
        (keymap, troubles)
    }

    pub fn to_settings(&self) -> BTreeMap<String, String> {
        self.changed
            .iter()
            .map(|(verb, chord)| (verb.id(), chord.map(|chord| chord.to_string()).unwrap_or_default()))
            .collect()
    }

    pub fn chord(&self, verb: Verb) -> Option<Chord> {
        match self.changed.get(&verb) {
            Some(chord) => *chord,
            None => verb.about().key.parse().ok(),
        }
    }

    /// The verb that has this chord already, where both could be meant.
    pub fn clash(&self, verb: Verb, chord: Chord) -> Option<Verb> {
        let scope = verb.about().scope;
        TABLE
            .iter()
            .filter(|other| other.verb != verb && other.scope.overlaps(scope))
            .find(|other| self.chord(other.verb) == Some(chord))
            .map(|other| other.verb)
    }

    /// Gives a verb another key, or none; refused where the key means something else there.
    pub fn set(&mut self, verb: Verb, chord: Option<Chord>) -> Result<(), String> {
        if let Some(chord) = chord
            && let Some(other) = self.clash(verb, chord)
        {
            return Err(format!("{} is the key of \"{}\"", chord.cap(), other.about().label()));
        }
        self.changed.insert(verb, chord);
        if self.chord(verb) == verb.about().key.parse().ok() {
            self.changed.remove(&verb);
        }
        Ok(())
    }

    /// Verbs whose keys were pressed since the last frame, in order. While a text is typed only keys
    /// with Ctrl or Alt, and the function keys, mean verbs.
    pub fn pressed(&self, ctx: &egui::Context, scopes: &[Scope]) -> Vec<Verb> {
        let is_typing = ctx.text_edit_focused();
        let mut pressed = Vec::new();
        ctx.input_mut(|input| {
            input.events.retain(|event| {
                let egui::Event::Key { key, pressed: true, repeat, modifiers, .. } = event else {
                    return true;
                };
                let is_command =
                    modifiers.command || modifiers.alt || key.name().starts_with('F') && key.name().len() > 1;
                if is_typing && !is_command {
                    return true;
                }
                // The narrowest scope is asked first.
                let found = scopes.iter().find_map(|scope| {
                    TABLE.iter().filter(|about| about.scope == *scope).map(|about| about.verb).find(|verb| {
                        self.chord(*verb).is_some_and(|chord| chord.is_pressed(*modifiers, *key))
                    })
                });
                match found {
                    Some(verb) if *repeat && !verb.repeats() => false,
                    Some(verb) => {
                        pressed.push(verb);
                        false
                    }
                    None => true,
                }
            });
        });
        pressed
    }

    /// Whether the verb's key is held down now.
    pub fn is_held(&self, ctx: &egui::Context, verb: Verb) -> bool {
        !ctx.text_edit_focused()
            && self.chord(verb).is_some_and(|chord| ctx.input(|input| input.key_down(chord.key)))
    }
}
