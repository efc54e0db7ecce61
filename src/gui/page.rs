//! What every page gets: the open line, the keys, and where to put what a person asked for.

use super::session::Session;
use super::theme::Tokens;
use super::toasts::Toasts;
use super::verbs::{Keymap, Verb};
use crate::engine::{Ask, Card};
use std::sync::Arc;

pub struct Page<'a> {
    pub session: &'a mut Session,
    pub keymap: &'a Keymap,
    pub toasts: &'a mut Toasts,
    /// Verbs that were asked for by hand, carried out after the frame like those of keys.
    pub verbs: &'a mut Vec<Verb>,
    /// Classes that were answered by hand and have no key.
    pub answers: &'a mut Vec<String>,
    pub tokens: Tokens,
    /// Pixels of the screen for one point.
    pub per_point: f32,
    /// Whether the key that hides marks is held.
    pub hides_marks: bool,
}

impl Page<'_> {
    pub fn ask(&mut self, ask: Ask) {
        if let Err(why) = self.session.ask(ask) {
            self.toasts.trouble(why);
        }
    }

    /// Whoever sits at the window; empty until the desk is there.
    pub fn reviewer(&self) -> String {
        self.session.board.as_ref().map_or_else(String::new, |board| board.reviewer.clone())
    }

    /// What lies on the desk.
    pub fn card(&self) -> Option<Arc<Card>> {
        self.session.board.as_ref()?.current.clone()
    }

    pub fn cap(&self, verb: Verb) -> String {
        self.keymap.chord(verb).map(super::chord::Chord::cap).unwrap_or_default()
    }
}
