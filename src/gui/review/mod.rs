//! The review page: one item fills the screen, one key answers it and brings the next.
//!
//! Holds only what the eye and the hand need: zoom, look, a first answer, regions under work. What the
//! item is, and what comes next, is the desk's board.

mod answer;
pub(super) mod camera;
pub(super) mod canvas;
mod drafts;
mod edit;
mod edit_bar;
mod editing;
mod filter;
mod heat;
pub(super) mod look;
pub(super) mod marks;
mod panel;
mod patch;
mod regions;
mod shapes;
mod sound;
mod strip;
pub(super) mod tiles;
mod transcript;
mod words;

use super::page::Page;
use super::texts::tr;
use super::verbs::{Scope, Verb};
use crate::domain::{ItemId, Label, Level, MediaHash, MediaKind};
use crate::engine::{Ask, Card, Pyramid, Want};
use answer::{Answer, Circumstances, defect_classes, needs_reveal, overturned, verdict};
use camera::Camera;
use drafts::{Draft, Drafts, Drawn};
use eframe::egui::{self, Pos2, Rect, Ui, Vec2, vec2};
use look::{Look, STEPS};
use marks::Marks;
use sound::SoundView;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tiles::Tiles;
use transcript::Writing;

pub use panel::label_text;

/// Pictures fetched ahead of the one on the screen.
const PREFETCH: usize = 4;
/// Points of the screen that one pan key moves.
const PAN: f32 = 80.0;

/// How the golden picture is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferenceView {
    #[default]
    Off,
    Beside,
    /// In turn with the item, in its place.
    InTurn,
    Difference,
}

impl ReferenceView {
    fn next(self) -> Self {
        match self {
            Self::Off => Self::Beside,
            Self::Beside => Self::InTurn,
            Self::InTurn => Self::Difference,
            Self::Difference => Self::Off,
        }
    }

    fn name(self) -> &'static str {
        tr(match self {
            Self::Off => "Off",
            Self::Beside => "Beside",
            Self::InTurn => "In turn",
            Self::Difference => "Difference",
        })
    }
}

/// The page between frames.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "what is shown, each for itself")]
pub struct ReviewPage {
    camera: Camera,
    look: Look,
    shows_heat: bool,
    shows_loupe: bool,
    reference: ReferenceView,
    tiles: [Tiles; 2],
    heat: Option<(MediaHash, egui::TextureHandle)>,
    marks: Marks,
    /// The model's regions beside a person's own.
    model_marks: Marks,
    /// Which item the fields below belong to.
    of: Option<(ItemId, u64)>,
    /// Since when it is wholly on the screen.
    shown_at: Option<Instant>,
    /// Painted last, until the next is there.
    painted: Option<(MediaHash, Arc<Pyramid>)>,
    first: Option<Answer>,
    /// First answers of items whose suggestion was seen: a look cannot be taken back, so that neither
    /// undo nor a skip makes such an item unseen again.
    revealed: BTreeMap<ItemId, Answer>,
    reviewer: String,
    /// What was drawn on the item, and on those that were left.
    draft: Option<Draft>,
    drafts: Drafts,
    sound: SoundView,
    /// The item is heard, not seen.
    is_sound: bool,
    /// What is said in it is written down.
    is_speech: bool,
    is_editing: bool,
    writing: Writing,
    comment: String,
    is_commenting: bool,
    /// Waits for a reason before it overturns an automatic decision.
    overturning: Option<Answer>,
    /// An answer is on its way to the disk.
    is_saving: bool,
    shows_filter: bool,
    shows_history: bool,
    /// Where the canvas was last, and the picture's size on it.
    area: Option<(Rect, Vec2)>,
    pointer: Option<Pos2>,
    filter: filter::FilterForm,
    /// What the page knows to be in force.
    level: Option<Level>,
    /// For measuring: when the last answer's key came.
    pub answered_at: Option<Instant>,
}

impl ReviewPage {
    /// Where keys mean something now, the narrowest scope first.
    pub fn scopes(&self) -> &'static [Scope] {
        match (self.is_sound, self.is_editing) {
            (true, false) if self.is_speech => {
                &[Scope::Speech, Scope::Sound, Scope::Review, Scope::Everywhere]
            }
            (true, true) => &[Scope::Sound, Scope::Edit, Scope::Review, Scope::Everywhere],
            (true, false) => &[Scope::Sound, Scope::Review, Scope::Everywhere],
            (false, true) => &[Scope::Edit, Scope::Review, Scope::Everywhere],
            (false, false) => &[Scope::Review, Scope::Everywhere],
        }
    }

    /// The board has changed: another item begins plain.
    pub fn follow(&mut self, page: &mut Page<'_>) {
        let Some(board) = &page.session.board else { return };
        let now = board.current.as_ref().map(|card| (card.item.id, board.turn));
        if self.reviewer != board.reviewer {
            // What one person has seen and drawn says nothing of another.
            self.reviewer.clone_from(&board.reviewer);
            self.revealed.clear();
            self.drafts.clear();
            (self.of, self.draft) = (None, None);
        }
        if now == self.of {
            return;
        }
        self.put_draft_by();
        self.of = now;
        self.draft = board.current.as_ref().and_then(|card| self.drafts.take(card.item.id, card.is_waiting));
        self.is_sound = board.current.as_ref().is_some_and(|card| card.item.kind == MediaKind::Audio);
        self.is_speech = self.is_sound && transcript::is_asked(page);
        self.hush(page);
        self.sound.reset();
        self.camera = Camera::default();
        self.shown_at = None;
        self.first = now.and_then(|(item, _)| self.revealed.get(&item).cloned());
        self.is_editing = false;
        self.writing = Writing::default();
        self.comment.clear();
        self.is_commenting = false;
        self.overturning = None;
        self.is_saving = false;
    }

    /// Another line, or the same again: what was seen and drawn of its items stays known.
    pub fn anew(&mut self) -> Self {
        self.put_draft_by();
        Self {
            reviewer: std::mem::take(&mut self.reviewer),
            revealed: std::mem::take(&mut self.revealed),
            drafts: std::mem::take(&mut self.drafts),
            ..Self::default()
        }
    }

    /// Nothing is heard of what is not on the screen.
    pub fn hush(&mut self, page: &Page<'_>) {
        if self.sound.take_played() {
            page.session.player.stop();
        }
    }

    #[cfg(test)]
    pub fn has_played(&self) -> bool {
        self.sound.has_played()
    }

    /// The desk refused what was asked.
    pub fn refused(&mut self) {
        self.is_saving = false;
    }

    pub fn perform(&mut self, verb: Verb, page: &mut Page<'_>) {
        let answer = match verb {
            Verb::Class(number) if self.is_editing => {
                if let Some(class) = class_of(page, number) {
                    self.set_class(&class);
                }
                None
            }
            Verb::Class(_) | Verb::Good if transcript::is_asked(page) => self.reading_of(page, verb),
            Verb::Class(number) => class_of(page, number).map(Answer::Class),
            Verb::Good => Some(Answer::Class(good_class(page))),
            Verb::CannotTell => Some(Answer::CannotTell),
            Verb::BadInput => Some(Answer::BadInput),
            Verb::Keep if self.is_editing => {
                self.close_editor(true);
                None
            }
            Verb::Keep => {
                let kept = self.overturning.take().or_else(|| self.first.clone());
                self.writing.is_on = kept.is_none() && transcript::is_asked(page);
                kept.or_else(|| self.class_of_regions().map(Answer::Class))
            }
            _ => None,
        };
        match (answer, verb) {
            (Some(answer), _) => self.answer(answer, page),
            (None, Verb::Skip) => page.ask(Ask::Skip),
            (None, Verb::Undo) if self.is_editing => {
                if !self.undo_region() {
                    page.toasts.note(tr("No change of a region is left to take back"));
                }
            }
            (None, Verb::Undo) if self.undo_region() => {}
            (None, Verb::Undo) => page.ask(Ask::Undo),
            (None, Verb::Leave) => self.leave(page),
            (None, Verb::Comment) => self.is_commenting = !self.is_commenting,
            (None, Verb::Filter) => self.shows_filter = !self.shows_filter,
            (None, Verb::History) => self.shows_history = !self.shows_history,
            (None, Verb::PreviousPicture) => Self::step_picture(page, false),
            (None, Verb::NextPicture) => Self::step_picture(page, true),
            (None, Verb::Edit) if self.is_speech => {
                page.toasts.note(tr("What is said is written, not drawn"));
            }
            (None, Verb::Edit) => self.toggle_editor(page),
            (None, Verb::NextWord | Verb::PreviousWord | Verb::HearWord) => self.step_word(verb, page),
            (None, verb) if self.is_sound => {
                let Some(card) = page.card() else { return };
                let highlight = self.highlight(&card);
                self.sound.perform_view(verb, highlight);
                if matches!(verb, Verb::CursorLeft | Verb::CursorRight) {
                    self.sound.seek(page, &card.item.media);
                }
                self.sound.perform_play(verb, page, &card.item.media, highlight);
                if self.is_editing
                    && let Some(Draft { drawn: Drawn::Sound(editor), .. }) = &mut self.draft
                {
                    self.sound.perform_edit(verb, editor);
                }
            }
            (None, verb) => {
                self.perform_view(verb, page.per_point);
                self.perform_edit(verb);
            }
        }
    }

    /// A class beyond the nine keys: like those that have one, the answer, or the class of a region.
    pub fn answer_class(&mut self, class: String, page: &mut Page<'_>) {
        if self.is_editing {
            self.set_class(&class);
        } else {
            self.answer(Answer::Class(class), page);
        }
    }

    fn leave(&mut self, page: &mut Page<'_>) {
        let is_waiting = page.card().is_none_or(|card| card.is_waiting);
        if self.is_editing {
            self.close_editor(false);
        } else if std::mem::take(&mut self.writing.is_on) {
            // The field is left, and what was written stays.
        } else if self.overturning.take().is_some() || std::mem::take(&mut self.is_commenting) {
            self.comment.clear();
        } else if std::mem::take(&mut self.shows_filter) || std::mem::take(&mut self.shows_history) {
            // One thing is left at a time.
        } else if !is_waiting {
            page.ask(Ask::Next);
        }
    }

    /// Answers the item on the screen; nothing that nobody has seen can be answered.
    fn answer(&mut self, answer: Answer, page: &mut Page<'_>) {
        let Some(card) = page.card() else { return };
        if self.is_saving || self.of.map(|(item, _)| item) != Some(card.item.id) {
            return;
        }
        let Some(shown_at) = self.shown_at else {
            page.toasts.note(tr("It is not there yet"));
            return;
        };
        if needs_reveal(&card, &answer, self.first.as_ref()) {
            self.revealed.insert(card.item.id, answer.clone());
            self.first = Some(answer);
            return;
        }
        let regions = self.regions_of_answer(&card, &answer);
        let says_good = matches!(&answer, Answer::Class(class) if class == Label::GOOD);
        if says_good && regions.iter().any(|region| region.class != Label::GOOD) {
            page.toasts.trouble(tr("Regions are drawn on it: delete them, or answer with their class"));
            return;
        }
        let is_overturning = overturned(&card, &page.session.plan, &answer).is_some();
        if is_overturning && self.comment.trim().is_empty() {
            self.overturning = Some(answer);
            self.is_commenting = true;
            return;
        }
        let verdict = verdict(
            &answer,
            Circumstances {
                card: &card,
                reviewer: page.session.board.as_ref().map_or("", |board| &board.reviewer),
                first: self.first.as_ref(),
                regions: regions.clone(),
                comment: Some(self.comment.clone()),
                seconds: shown_at.elapsed().as_secs_f64(),
            },
        );
        self.keep_answered(regions);
        self.is_saving = true;
        self.answered_at = Some(Instant::now());
        page.ask(Ask::Answer(Box::new(verdict)));
    }

    fn step_picture(page: &mut Page<'_>, forward: bool) {
        let Some(card) = page.card() else { return };
        let Some(at) = card.inspection.iter().position(|other| other.item.id == card.item.id) else { return };
        let next = if forward { at.checked_add(1) } else { at.checked_sub(1) };
        if let Some(other) = next.and_then(|at| card.inspection.get(at)) {
            page.ask(Ask::Show(other.item.id));
        }
    }

    fn perform_view(&mut self, verb: Verb, per_point: f32) {
        let step = |value: &mut i8, by: i8| *value = (*value + by).clamp(-STEPS, STEPS);
        match verb {
            Verb::Heat => self.shows_heat = !self.shows_heat,
            Verb::Loupe => self.shows_loupe = !self.shows_loupe,
            Verb::Reference => self.reference = self.reference.next(),
            Verb::Brighter => step(&mut self.look.brightness, 1),
            Verb::Darker => step(&mut self.look.brightness, -1),
            Verb::MoreContrast => step(&mut self.look.contrast, 1),
            Verb::LessContrast => step(&mut self.look.contrast, -1),
            Verb::MoreGamma => step(&mut self.look.gamma, 1),
            Verb::LessGamma => step(&mut self.look.gamma, -1),
            Verb::Channel => self.look.channel = self.look.channel.next(),
            Verb::Edges => self.look.edges = !self.look.edges,
            Verb::ResetLook => self.look = Look::default(),
            Verb::Fit => self.camera = Camera::default(),
            _ => {}
        }
        let Some((area, size)) = self.area else { return };
        let at = self.pointer.filter(|at| area.contains(*at)).unwrap_or(area.center());
        match verb {
            Verb::OneToOne => self.camera.one_to_one(area, size, per_point, at),
            Verb::ZoomIn => self.camera.zoom(area, size, camera::ZOOM_STEP, at),
            Verb::ZoomOut => self.camera.zoom(area, size, 1.0 / camera::ZOOM_STEP, at),
            Verb::PanLeft => self.camera.pan(area, size, vec2(PAN, 0.0)),
            Verb::PanRight => self.camera.pan(area, size, vec2(-PAN, 0.0)),
            Verb::PanUp => self.camera.pan(area, size, vec2(0.0, PAN)),
            Verb::PanDown => self.camera.pan(area, size, vec2(0.0, -PAN)),
            _ => {}
        }
    }

    /// The whole page.
    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        self.follow(page);
        if self.level != page.session.station.level {
            self.level = page.session.station.level;
            filter::forget_hidden(page);
        }
        self.pointer = ui.input(|input| input.pointer.hover_pos());
        if let Some(card) = page.card() {
            // First of all what is looked at.
            if card.item.kind == MediaKind::Image {
                page.session.album.full(&card.item.media);
            }
        }
        let t = page.tokens;
        let strip = egui::Frame::new().fill(t.background[1]).inner_margin(egui::Margin::symmetric(16, 10));
        egui::Panel::bottom("strip")
            .exact_size(strip::HEIGHT)
            .frame(strip)
            .show_separator_line(true)
            .show(ui, |ui| strip::strip_ui(ui, page));
        let side = egui::Frame::new().fill(t.background[1]).inner_margin(16);
        egui::Panel::right("answers")
            .exact_size(panel::WIDTH)
            .resizable(false)
            .frame(side)
            .show(ui, |ui| self.panel_ui(ui, page));
        if self.shows_filter || self.shows_history {
            let frame = egui::Frame::new().fill(t.background[1]).inner_margin(16);
            egui::Panel::left("about").exact_size(320.0).resizable(false).frame(frame).show(ui, |ui| {
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    if self.shows_filter {
                        self.filter_ui(ui, page);
                    }
                    if let Some(card) = page.card().filter(|_| self.shows_history) {
                        panel::history_ui(ui, page, &card);
                    }
                });
            });
        }
        let ground = egui::Frame::new().fill(egui::Color32::from_rgb(8, 9, 11));
        egui::CentralPanel::default().frame(ground).show(ui, |ui| self.canvas_ui(ui, page));
        self.prefetch(page);
    }

    fn prefetch(&self, page: &mut Page<'_>) {
        let Some(board) = &page.session.board else { return };
        let next: Vec<(MediaKind, MediaHash)> =
            board.upcoming.iter().take(PREFETCH).map(|row| (row.item.kind, row.item.media.clone())).collect();
        for (kind, media) in next {
            match kind {
                MediaKind::Image => {
                    page.session.album.full(&media);
                }
                MediaKind::Audio => sound::prefetch(page, &self.sound, &media, page.per_point),
            }
        }
    }

    /// Seconds until the painted item could be answered; `None` while it cannot.
    pub fn is_ready(&self) -> bool {
        self.shown_at.is_some() && !self.is_saving
    }
}

/// What shows where the model sees it, for the item's own prediction.
fn heat_want(card: &Card) -> Option<Want> {
    let model = card.prediction.as_ref()?.model.clone();
    Some(Want::Heat { item: card.item.media.clone(), reference: card.item.reference.clone(), model })
}

fn class_of(page: &Page<'_>, number: u8) -> Option<String> {
    let classes = defect_classes(&page.session.plan);
    classes.get(usize::from(number).checked_sub(1)?).map(|class| (*class).to_owned())
}

/// `good`, or the first class that passes where a plan calls it otherwise.
fn good_class(page: &Page<'_>) -> String {
    let classes = &page.session.plan.classes;
    let good = classes.iter().find(|class| class.name == Label::GOOD);
    let passing = || classes.iter().find(|class| class.route == crate::domain::Route::Pass);
    good.or_else(passing).map_or_else(|| Label::GOOD.to_owned(), |class| class.name.clone())
}
