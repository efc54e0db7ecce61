//! Beside the picture: why a person is asked, what may be answered, and the rest of the unit.

use super::super::album::{paint_sound_mark, paint_thumb};
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{BODY, CONTROL_HEIGHT, NOTE, SECONDARY, SPACE, TITLE, Tokens};
use super::super::time;
use super::super::verbs::Verb;
use super::super::widgets::{Face, Mark, cap_ui, note, percent, probability, row_ui, secondary, verb_ui};
use super::ReviewPage;
use super::answer::{Answer, defect_classes, is_revealed};
use super::transcript::{difference_ui, is_asked};
use crate::domain::{Event, Label, LabelStatus, MediaKind, Probability, Route, VerdictMode, VerdictStatus};
use crate::engine::{Ask, Card, Sight};
use crate::store::InspectedItem;
use eframe::egui::{self, Align2, FontId, Rect, RichText, ScrollArea, Sense, Stroke, Ui, pos2, vec2};

pub const WIDTH: f32 = 352.0;
/// With more classes than this their rows are less high, so that all are seen.
const ROOMY_CLASSES: usize = 6;
/// A picture of the same unit.
const SIBLING: [f32; 2] = [108.0, 81.0];
/// Room for why a person is asked, and for what a reveal adds to it.
const WHY_HEIGHT: f32 = 208.0;

impl ReviewPage {
    pub(super) fn panel_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let Some(card) = page.card() else {
            ui.label(secondary(tr("No item"), page.tokens));
            return;
        };
        let room = ui.available_height() - answers_height(page.session.plan.classes.len());
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let width = ui.available_width() - 2.0;
            // The answers stay where they are, whatever is said above them, as long as all of them are seen.
            let top = ui.cursor().top();
            self.why_ui(ui, page, &card);
            let height = if card.sight == Sight::AfterAnswer { WHY_HEIGHT } else { WHY_HEIGHT / 2.0 };
            let height = height.min(room);
            ui.add_space((height - (ui.cursor().top() - top)).max(SPACE[1]));
            self.answers_ui(ui, page, &card, width);
            self.comment_ui(ui, page);
            ui.add_space(SPACE[2]);
            unit_ui(ui, page, &card);
        });
    }

    fn why_ui(&self, ui: &mut Ui, page: &Page<'_>, card: &Card) {
        let t = page.tokens;
        let title = if card.is_waiting { tr("Why a person?") } else { tr("Looked at again") };
        ui.label(secondary(title, t).strong());
        let is_revealed = is_revealed(card, self.first.as_ref());
        let text = match (card.is_waiting, is_revealed, card.sight) {
            // Where no model has said anything, nothing can be given away.
            (true, ..) if card.prediction.is_none() => sentence(&card.reason),
            (true, false, Sight::AfterAnswer) => {
                tr("Your own look comes first; what the model says follows your answer").to_owned()
            }
            (true, false, _) => tr("People decide here, without the model").to_owned(),
            (false, ..) => outcome_text(card),
            (true, true, _) => sentence(&card.reason),
        };
        ui.label(RichText::new(text).size(BODY));
        if let (true, Some(prediction)) = (is_revealed && !is_asked(page), &card.prediction) {
            scale_ui(ui, prediction.divert_probability(&page.session.plan), card, t);
        }
        self.reveal_ui(ui, page, card);
    }

    /// The first answer beside what the model says: keep or change.
    fn reveal_ui(&self, ui: &mut Ui, page: &Page<'_>, card: &Card) {
        let t = page.tokens;
        let (Some(first), Some(prediction)) = (&self.first, &card.prediction) else { return };
        if let Answer::Said(own) = first {
            difference_ui(ui, own, prediction.label(), t);
        } else {
            ui.horizontal(|ui| {
                ui.label(secondary(tr("You said"), t));
                ui.label(RichText::new(first.text()).size(TITLE).strong());
                ui.label(secondary(tr("the model says"), t));
                let says = format!("{} {}", prediction.label(), probability(prediction.confidence().get()));
                ui.label(RichText::new(says).size(TITLE).strong());
            });
        }
        ui.horizontal(|ui| {
            cap_ui(ui, &page.cap(Verb::Keep));
            ui.label(secondary(tr("keeps your answer; any answer key changes it"), t));
        });
    }

    fn answers_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card, width: f32) {
        if is_asked(page) {
            self.transcript_ui(ui, page, card, width);
        } else {
            self.classes_ui(ui, page, card, width);
        }
        let own = card.own.as_ref();
        let half = (width - 6.0) / 2.0;
        let status =
            |wanted| Face { is_selected: own.is_some_and(|own| own.status == wanted), ..Face::default() };
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            for (verb, face) in [
                (Verb::CannotTell, status(VerdictStatus::CannotTell)),
                (Verb::BadInput, status(VerdictStatus::BadInput)),
            ] {
                if verb_ui(ui, half, page.keymap, verb, face) {
                    page.verbs.push(verb);
                }
            }
        });
        ui.add_space(SPACE[0]);
        // What is said is written, not drawn.
        let verbs: &[Verb] =
            if self.is_speech { &[Verb::Skip, Verb::Undo] } else { &[Verb::Skip, Verb::Undo, Verb::Edit] };
        let part = (width + 6.0) / verbs.len() as f32 - 6.0;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            for &verb in verbs {
                let face = Face {
                    is_selected: verb == Verb::Edit && self.is_editing,
                    is_small: true,
                    ..Face::default()
                };
                let label = if verb == Verb::Edit { tr("Edit") } else { verb.about().label() };
                if row_ui(ui, part, &page.cap(verb), label, face).on_hover_text(verb.about().hint()).clicked()
                {
                    page.verbs.push(verb);
                }
            }
        });
        if !card.is_waiting {
            ui.add_space(SPACE[0]);
            if row_ui(
                ui,
                width,
                &page.cap(Verb::Leave),
                tr("Back to the queue"),
                Face { is_small: true, ..Face::default() },
            )
            .clicked()
            {
                page.ask(Ask::Next);
            }
        }
    }

    fn classes_ui(&self, ui: &mut Ui, page: &mut Page<'_>, card: &Card, width: f32) {
        let t = page.tokens;
        ui.spacing_mut().item_spacing.y = 6.0;
        ui.label(secondary(tr("What is it?"), t).strong());
        let shares = card.prediction.as_ref().filter(|_| is_revealed(card, self.first.as_ref()));
        let share = |class: &str| {
            shares.and_then(|p| p.probabilities.get(class)).map_or_else(String::new, |p| percent(p.get()))
        };
        let own = card.own.as_ref();
        let said = |class: &str| match &self.first {
            Some(first) => first.text() == class,
            None => own.is_some_and(|own| own.class.as_deref() == Some(class)),
        };
        let good = super::good_class(page);
        let is_dense = page.session.plan.classes.len() > ROOMY_CLASSES;
        let route = |route: Option<Route>| match route {
            Some(Route::Pass) => tr("pass"),
            _ => tr("divert"),
        };
        let face = Face {
            mark: Some(Mark::Pass),
            about: tr("pass"),
            figure: &share(&good),
            is_selected: said(&good),
            is_dense,
            ..Face::default()
        };
        if row_ui(ui, width, &page.cap(Verb::Good), &good, face)
            .on_hover_text(Verb::Good.about().hint())
            .clicked()
        {
            page.verbs.push(Verb::Good);
        }
        let classes: Vec<String> =
            defect_classes(&page.session.plan).into_iter().map(str::to_owned).collect();
        for (i, class) in classes.iter().enumerate() {
            let verb =
                u8::try_from(i + 1).ok().filter(|n| *n <= super::super::verbs::CLASS_KEYS).map(Verb::Class);
            let its_route = page.session.plan.route(class);
            let face = Face {
                mark: its_route.map(Mark::from),
                about: route(its_route),
                figure: &share(class),
                is_selected: said(class),
                is_dense,
                ..Face::default()
            };
            let cap = verb.map(|verb| page.cap(verb)).unwrap_or_default();
            if row_ui(ui, width, &cap, class, face).clicked() {
                match verb {
                    Some(verb) => page.verbs.push(verb),
                    // A class beyond the nine keys is answered with the pointer alone.
                    None => page.answers.push(class.clone()),
                }
            }
        }
    }

    fn comment_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        if !self.is_commenting && self.comment.is_empty() {
            return;
        }
        let t = page.tokens;
        let title = if self.overturning.is_some() {
            tr("This overturns the model's decision. Why?")
        } else {
            tr("Comment with the next answer")
        };
        ui.label(RichText::new(title).size(SECONDARY).color(if self.overturning.is_some() {
            t.review
        } else {
            t.text[1]
        }));
        let field = egui::TextEdit::multiline(&mut self.comment)
            .desired_rows(2)
            .desired_width(f32::INFINITY)
            .hint_text(tr("In a few words"))
            .return_key(egui::KeyboardShortcut::new(egui::Modifiers::SHIFT, egui::Key::Enter));
        let response = ui.add(field);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, tr("Comment")));
        if self.is_commenting && !response.has_focus() && !response.lost_focus() {
            response.request_focus();
        }
        let is_done = response.has_focus()
            && ui.input(|input| input.key_pressed(egui::Key::Enter) && !input.modifiers.shift);
        if is_done || response.lost_focus() {
            self.is_commenting = false;
            response.surrender_focus();
        }
        if is_done && !self.comment.trim().is_empty() && self.overturning.is_some() {
            page.verbs.push(Verb::Keep);
        }
        ui.label(note(tr("Enter keeps it, Esc drops it"), t));
    }
}

/// What a title, a row for each class and the other answers take.
fn answers_height(classes: usize) -> f32 {
    let row = CONTROL_HEIGHT + 6.0;
    (classes + 2) as f32 * row + SPACE[4]
}

/// Where the probability lies between the thresholds.
fn scale_ui(ui: &mut Ui, p: Probability, card: &Card, t: Tokens) {
    let width = ui.available_width() - 2.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, 44.0), Sense::hover());
    let (low, high) = (card.thresholds.pass_below, card.thresholds.divert_above);
    let words = match (low, high) {
        (Some(low), Some(high)) => format!("{p}, {} {low}, {} {high}", tr("pass below"), tr("divert above")),
        (Some(low), None) => {
            format!("{p}, {} {low}, {}", tr("pass below"), tr("nothing is diverted by itself"))
        }
        (None, Some(high)) => {
            format!("{p}, {}, {} {high}", tr("nothing passes by itself"), tr("divert above"))
        }
        (None, None) => format!("{p}, {}", tr("the model decides nothing by itself")),
    };
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{}: {words}", tr("Defect probability")))
    });
    let painter = ui.painter();
    let bar = Rect::from_min_size(rect.min + vec2(0.0, 10.0), vec2(width, 8.0));
    #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
    let x = |p: f64| bar.left() + bar.width() * p as f32;
    painter.rect_filled(bar, 4.0, t.review);
    if let Some(low) = low {
        painter.rect_filled(Rect::from_min_max(bar.min, pos2(x(low.get()), bar.bottom())), 4.0, t.pass);
    }
    if let Some(high) = high {
        painter.rect_filled(Rect::from_min_max(pos2(x(high.get()), bar.top()), bar.max), 4.0, t.divert);
    }
    let at = x(p.get());
    painter.vline(at, bar.y_range().expand(5.0), Stroke::new(3.0, t.background[1]));
    painter.vline(at, bar.y_range().expand(5.0), Stroke::new(2.0, t.text[0]));
    let font = FontId::proportional(NOTE);
    let y = bar.bottom() + 8.0;
    let name = |what: &str, p: Option<Probability>, sign: &str| {
        p.map_or_else(|| format!("{what}: –"), |p| format!("{what} {sign} {}", probability(p.get())))
    };
    painter.text(pos2(bar.left(), y), Align2::LEFT_TOP, name(tr("pass"), low, "<"), font.clone(), t.text[2]);
    painter.text(
        pos2(bar.right(), y),
        Align2::RIGHT_TOP,
        name(tr("divert"), high, ">"),
        font.clone(),
        t.text[2],
    );
    let middle = at.clamp(bar.left() + width * 0.32, bar.right() - width * 0.32);
    painter.text(pos2(middle, y), Align2::CENTER_TOP, probability(p.get()), font, t.text[0]);
}

fn outcome_text(card: &Card) -> String {
    let by = card.inspection.iter().find(|other| other.item.id == card.item.id);
    let decided =
        by.map(|own| format!("{} {} {}: {}", own.outcome, tr("by"), own.decided_by.as_str(), own.reason));
    let label = card.label.as_ref().map(|label| format!("{} {}", tr("label"), label_text(label)));
    [decided, label].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

pub fn label_text(label: &Label) -> String {
    match (label.status, &label.transcript) {
        (LabelStatus::Confirmed, Some(text)) => format!("“{text}”"),
        (LabelStatus::Confirmed, None) => label.classes().into_iter().collect::<Vec<_>>().join(", "),
        (other, _) => other.to_string(),
    }
}

fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The other pictures of the same inspection.
fn unit_ui(ui: &mut Ui, page: &mut Page<'_>, card: &Card) {
    let t = page.tokens;
    if card.inspection.len() > 1 {
        ui.label(secondary(tr("This unit"), t).strong());
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(SPACE[0], SPACE[0]);
            for (i, other) in card.inspection.iter().enumerate() {
                let is_this = other.item.id == card.item.id;
                // What a model has decided of a sibling says something of this one too.
                let is_open = is_revealed(card, None)
                    || other.decided_by == crate::domain::DecidedBy::Person
                    || is_this;
                if sibling_ui(ui, page, other, i + 1, [is_this, is_open]) && !is_this {
                    page.ask(Ask::Show(other.item.id));
                }
            }
        });
    }
    let keys = format!(
        "{} {} · {} {}",
        page.cap(Verb::History),
        tr("history"),
        page.cap(Verb::Comment),
        tr("comment")
    );
    ui.label(note(keys, t));
}

/// One picture of the unit: small, with what was decided of it where that may be seen.
fn sibling_ui(
    ui: &mut Ui,
    page: &mut Page<'_>,
    other: &InspectedItem,
    number: usize,
    [is_this, is_open]: [bool; 2],
) -> bool {
    let t = page.tokens;
    let outcome = if is_open { other.outcome.as_str() } else { "" };
    let kind = if other.item.kind == MediaKind::Audio { tr("sound") } else { tr("picture") };
    let name = format!("{kind} {number}");
    let (rect, response) = ui.allocate_exact_size(vec2(SIBLING[0], SIBLING[1] + 22.0), Sense::click());
    let spoken = format!("{name} {outcome}");
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_this, spoken.trim_end()));
    let place = Rect::from_min_size(rect.min, SIBLING.into());
    let shown = page.session.album.thumb(&other.item.media);
    paint_thumb(ui.painter(), place, &shown, is_this || response.has_focus(), t);
    if other.item.kind == MediaKind::Audio {
        paint_sound_mark(ui.painter(), place, t);
    }
    let at = pos2(rect.left() + 7.0, place.bottom() + 11.0);
    let mark = if is_open { Mark::from(other.outcome) } else { Mark::None };
    mark.paint(ui.painter(), at, t);
    let words = if outcome.is_empty() { &name } else { outcome };
    let font = FontId::proportional(NOTE);
    ui.painter().text(at + vec2(12.0, 0.0), Align2::LEFT_CENTER, words, font, t.text[1]);
    response.on_hover_text(&other.item.name).clicked()
}

/// Every prediction, decision and answer: what, who and when. What would give the model away before
/// the answer is left out.
pub(super) fn history_ui(ui: &mut Ui, page: &Page<'_>, card: &Card) {
    let t = page.tokens;
    ui.label(secondary(tr("History"), t).strong());
    let is_open = is_revealed(card, None);
    for entry in &card.history {
        let text = match &entry.event {
            Event::ItemArrived(arrival) => format!("{} {}", tr("arrived from"), arrival.source),
            Event::ItemPredicted { prediction, .. } if is_open => format!(
                "{} {}: {} {}",
                tr("predicted by"),
                prediction.model.name,
                prediction.label(),
                probability(prediction.confidence().get())
            ),
            Event::ItemDecided { decision, .. }
                if is_open || decision.decided_by == crate::domain::DecidedBy::Person =>
            {
                format!(
                    "{} {} {}: {}",
                    decision.outcome,
                    tr("by"),
                    decision.decided_by.as_str(),
                    decision.reason
                )
            }
            Event::VerdictGiven(verdict) => {
                let what = match verdict.status {
                    VerdictStatus::Answered => {
                        verdict.transcript.clone().or_else(|| verdict.class.clone()).unwrap_or_default()
                    }
                    VerdictStatus::CannotTell => tr("cannot tell").to_owned(),
                    VerdictStatus::BadInput => tr("bad input").to_owned(),
                };
                let how = match (verdict.mode, &verdict.class_before) {
                    (VerdictMode::RevealedAfter, Some(before)) => {
                        format!(", {} {before}", tr("before the reveal"))
                    }
                    (VerdictMode::Shown, _) => format!(", {}", tr("suggestion shown")),
                    _ => String::new(),
                };
                let why = verdict.comment.as_ref().map_or_else(String::new, |text| format!(" “{text}”"));
                format!("{} {what}{how}{why} ({:.1} s)", tr("answered"), verdict.seconds)
            }
            Event::VerdictUndone { .. } => tr("answer taken back").to_owned(),
            Event::LabelSettled { label, .. } => format!("{} {}", tr("label"), label_text(label)),
            Event::LabelWithdrawn { .. } => tr("label withdrawn").to_owned(),
            _ => continue,
        };
        ui.label(note(format!("{} · {}", time::day(entry.at), entry.actor), t));
        ui.label(RichText::new(text).size(SECONDARY));
    }
}
