//! What is said, in the place of the answers: the model's readings, a field to write in, and what the line's
//! convention makes of it while it is written.

use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{BODY, SPACE};
use super::super::verbs::{CLASS_KEYS, Verb};
use super::super::widgets::{Face, cap_ui, note, percent, row_ui, secondary};
use super::ReviewPage;
use super::answer::{Answer, is_revealed};
use crate::domain::{Finding, Prediction, Task};
use crate::engine::Card;
use eframe::egui::{self, Key, RichText, Role, TextEdit, Ui, WidgetInfo};

/// What a person is writing.
#[derive(Default)]
pub(super) struct Writing {
    pub text: String,
    /// The field takes the keys.
    pub is_on: bool,
    /// Enter was pressed on something that cannot be right: once more records it.
    is_warned: bool,
}

/// Whether the line writes down what is said.
pub(super) fn is_asked(page: &Page<'_>) -> bool {
    page.session.plan.task == Task::Transcribe
}

/// The model's readings as far as they may be seen, surest first.
fn readings(card: &Card, first: Option<&Answer>) -> Vec<(String, f64)> {
    let Some(prediction) = card.prediction.as_ref().filter(|_| is_revealed(card, first)) else {
        return Vec::new();
    };
    let named = prediction.probabilities.iter().filter(|(text, _)| *text != Prediction::OTHER);
    let mut readings: Vec<(String, f64)> = named.map(|(text, p)| (text.clone(), p.get())).collect();
    readings.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    readings
}

impl ReviewPage {
    /// An answer's key on such a line: the first takes the surest reading, a digit the one of that number.
    pub(super) fn reading_of(&self, page: &Page<'_>, verb: Verb) -> Option<Answer> {
        let number = match verb {
            Verb::Good => 1,
            Verb::Class(number) => usize::from(number),
            _ => return None,
        };
        let card = page.card()?;
        let (text, _) = readings(&card, self.first.as_ref()).into_iter().nth(number.checked_sub(1)?)?;
        Some(Answer::Said(text))
    }

    pub(super) fn transcript_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card, width: f32) {
        let t = page.tokens;
        ui.spacing_mut().item_spacing.y = 6.0;
        ui.label(secondary(tr("What is said?"), t).strong());
        let readings = readings(card, self.first.as_ref());
        for (i, (text, p)) in readings.iter().enumerate() {
            let number = u8::try_from(i + 1).ok().filter(|n| *n <= CLASS_KEYS);
            let verb = if i == 0 { Some(Verb::Good) } else { number.map(Verb::Class) };
            let cap = verb.map(|verb| page.cap(verb)).unwrap_or_default();
            let text = if text.is_empty() { tr("(nothing)") } else { text };
            let face = Face { figure: &percent(*p), is_dense: true, ..Face::default() };
            if row_ui(ui, width, &cap, text, face).clicked() {
                page.verbs.extend(verb);
            }
        }
        self.writing_ui(ui, page);
        let plan = &page.session.plan;
        let written = plan.transcript.normalise(&self.writing.text);
        if !self.writing.text.is_empty() {
            ui.label(RichText::new(format!("{}: {written}", tr("Recorded"))).size(BODY));
            for finding in plan.transcript.findings(&self.writing.text) {
                let color = if finding.is_wrong() { t.review } else { t.text[1] };
                ui.label(RichText::new(text_of(&finding)).size(BODY).color(color));
            }
        }
        if self.writing.is_warned {
            ui.label(RichText::new(tr("This cannot be right. Enter once more records it")).color(t.review));
        }
        ui.add_space(SPACE[0]);
    }

    fn writing_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let before = self.writing.text.clone();
        let field = TextEdit::singleline(&mut self.writing.text)
            .desired_width(f32::INFINITY)
            .margin(egui::vec2(8.0, 9.0))
            .hint_text(tr("Write what you hear"));
        let response = ui.add(field);
        response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, tr("Transcript")));
        if self.writing.text != before {
            self.writing.is_warned = false;
        }
        if self.writing.is_on && !response.has_focus() && !response.lost_focus() {
            response.request_focus();
        }
        let is_done = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        self.writing.is_on = response.has_focus() || (self.writing.is_on && !response.lost_focus());
        if is_done && !self.write(page) {
            response.request_focus();
        }
        ui.horizontal(|ui| {
            cap_ui(ui, &page.cap(Verb::Keep));
            ui.label(note(tr("writes, and records; Esc leaves the field"), page.tokens));
        });
    }

    /// Enter in the field: the text is the answer, unless it cannot be right and nobody was told yet. `false`
    /// where it has only been told.
    fn write(&mut self, page: &mut Page<'_>) -> bool {
        let rule = &page.session.plan.transcript;
        let said = rule.normalise(&self.writing.text);
        if !rule.allows(&said) && !std::mem::replace(&mut self.writing.is_warned, true) {
            self.writing.is_on = true;
            return false;
        }
        self.answer(Answer::Said(said), page);
        true
    }
}

/// A finding in words.
fn text_of(finding: &Finding) -> String {
    match finding {
        Finding::Filler(word) => format!("{word}: {}", tr("left out")),
        Finding::Written(word, written) => format!("{word}: {} {written}", tr("written")),
        Finding::UnknownWord(word) => format!("{word}: {}", tr("cannot be said on this line")),
        Finding::UnknownNoise(word) => format!("{word}: {}", tr("no noise that this line names")),
        Finding::TooFew { words, least } => format!("{words} {} {least}", tr("words, and it takes at least")),
        Finding::TooMany { words, most } => format!("{words} {} {most}", tr("words, and it takes at most")),
        Finding::NoPhrase => tr("none of the line's phrases").to_owned(),
        Finding::WrongCheckDigit => tr("the check digit does not fit").to_owned(),
    }
}
