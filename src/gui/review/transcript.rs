//! What is said, in the place of the answers: the model's readings, a field to write in, and what the line's
//! convention makes of it while it is written.

use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{BODY, SPACE, TITLE, Tokens};
use super::super::verbs::{CLASS_KEYS, Verb};
use super::super::widgets::{Face, cap_ui, note, percent, probability, row_ui, secondary};
use super::ReviewPage;
use super::answer::{Answer, is_revealed};
use super::words::{self, Word};
use crate::domain::{CheckDigit, Finding, Numbers, Prediction, Task, TranscriptRule};
use crate::engine::Card;
use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::text_edit::TextEditState;
use eframe::egui::{self, Context, Id, Key, RichText, Role, TextEdit, Ui, WidgetInfo};
use std::ops::Range;

/// Words that the convention names, at most; a vocabulary of hundreds is told by its size.
const NAMED_MAX: usize = 12;
/// Readings that are offered: the best ones, and those that are not told as 0 %.
const READINGS_MAX: usize = 5;
const READING_LEAST: f64 = 0.005;

/// What a person is writing.
#[derive(Default)]
pub(super) struct Writing {
    pub text: String,
    /// The field takes the keys.
    pub is_on: bool,
    /// The suggested word under the hand.
    pub at: Option<usize>,
    /// It is to be chosen in the field.
    chooses: bool,
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
    // What is hardly possible would push the other answers out of sight.
    let shown = readings.iter().filter(|(_, p)| *p >= READING_LEAST).count().clamp(1, READINGS_MAX);
    readings.truncate(shown);
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
        self.writing_ui(ui, page, card);
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
        self.uncertain_ui(ui, page, card);
        ui.label(note(convention(&plan.transcript), t));
        ui.add_space(SPACE[0]);
    }

    /// How many words are to be heard by themselves, what makes them uncertain, and the keys for it.
    fn uncertain_ui(&self, ui: &mut Ui, page: &Page<'_>, card: &Card) {
        let t = page.tokens;
        let words = self.words(card);
        if words.is_empty() {
            return;
        }
        let uncertain = words.iter().filter(|word| word.is_uncertain).count();
        let from = probability(words::doubtful_from(card.thresholds));
        let told = format!("{uncertain} {} {} {}", tr("of"), words.len(), tr("words uncertain"));
        ui.label(note(format!("{told} ({} {from})", tr("? marks a doubt of at least")), t));
        ui.horizontal_wrapped(|ui| {
            for (verb, does) in [(Verb::NextWord, tr("the next one")), (Verb::HearWord, tr("hear it again"))]
            {
                cap_ui(ui, &page.cap(verb));
                ui.label(note(does, t));
            }
        });
    }

    /// The words of the suggestion as far as they may be seen, held against what a person has written.
    pub(super) fn words(&self, card: &Card) -> Vec<Word> {
        let shown = card.prediction.as_ref().filter(|_| is_revealed(card, self.first.as_ref()));
        let settled = card.label.as_ref().filter(|_| !card.is_waiting);
        let said = match &self.first {
            Some(Answer::Said(text)) => Some(text.as_str()),
            _ => settled.and_then(|label| label.transcript.as_deref()),
        };
        shown.map_or_else(Vec::new, |shown| words::words(&shown.regions, card.thresholds, said))
    }

    /// Where the word under the hand is heard.
    pub(super) fn word_span(&self, card: &Card) -> Option<[f64; 2]> {
        self.words(card).get(self.writing.at?).map(|word| word.span_secs)
    }

    /// What a key does to the words: the next one, the one before, or what is under the hand once more.
    pub(super) fn step_word(&mut self, verb: Verb, page: &mut Page<'_>) {
        let Some(card) = page.card().filter(|_| self.shown_at.is_some()) else { return };
        if verb == Verb::HearWord {
            let span = self.word_span(&card);
            self.sound.perform_play(Verb::PlayRegion, page, &card.item.media, span);
            return;
        }
        let words = self.words(&card);
        match words::step(&words, self.writing.at, verb == Verb::NextWord) {
            Some(at) => self.take_word(at, &words, &card, page),
            None => page.toasts.note(tr("No words are shown here: write what you hear")),
        }
    }

    /// A word comes under the hand: seen, heard, and chosen where it is written, so that typing replaces it
    /// alone.
    pub(super) fn take_word(&mut self, at: usize, words: &[Word], card: &Card, page: &mut Page<'_>) {
        let suggested = card.prediction.as_ref().and_then(|prediction| prediction.transcript.clone());
        if self.writing.text.trim().is_empty() {
            self.writing.text = suggested.unwrap_or_default();
        }
        (self.writing.at, self.writing.chooses, self.writing.is_on) = (Some(at), true, true);
        let span = words.get(at).map(|word| word.span_secs);
        self.sound.perform_view(Verb::ZoomToRegion, span);
        self.sound.perform_play(Verb::PlayRegion, page, &card.item.media, span);
    }

    /// The open word that Enter goes on to before it records.
    fn word_to_come(&self, card: &Card) -> Option<usize> {
        words::next(&self.words(card), self.writing.at?)
    }

    fn writing_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card) {
        let id = ui.make_persistent_id("transcript");
        // A field keeps what is chosen in it only once it has the keys.
        if let Some(at) = self.writing.at.filter(|_| self.writing.chooses)
            && ui.memory(|memory| memory.owns_ime_events(id))
        {
            self.writing.chooses = false;
            choose(ui.ctx(), id, words::place_in(&self.writing.text, &self.words(card), at));
        }
        if self.writing.chooses {
            ui.ctx().request_repaint();
        }
        let before = self.writing.text.clone();
        let field = TextEdit::singleline(&mut self.writing.text)
            .id(id)
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
        if is_done && !self.write(page, card) {
            response.request_focus();
        }
        let does = match self.word_to_come(card) {
            Some(_) => tr("takes the next uncertain word; Esc leaves the field"),
            None => tr("writes, and records; Esc leaves the field"),
        };
        ui.horizontal(|ui| {
            cap_ui(ui, &page.cap(Verb::Keep));
            ui.label(note(does, page.tokens));
        });
    }

    /// Enter in the field: on from one open word to the next; behind the last the text is the answer, unless it
    /// cannot be right and nobody was told yet. `false` where it is not written yet.
    fn write(&mut self, page: &mut Page<'_>, card: &Card) -> bool {
        if let Some(at) = self.word_to_come(card) {
            self.take_word(at, &self.words(card), card, page);
            return false;
        }
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

/// Chooses a part of what is written in a field, in characters.
fn choose(ctx: &Context, field: Id, place: Range<usize>) {
    let mut state = TextEditState::load(ctx, field).unwrap_or_default();
    let range = CCursorRange::two(CCursor::new(place.start), CCursor::new(place.end));
    state.cursor.set_char_range(Some(range));
    state.store(ctx, field);
}

/// A person's answer beside the model's, word by word. Where they differ both are said, so that no colour has
/// to be seen.
pub(super) fn difference_ui(ui: &mut Ui, own: &str, model: &str, t: Tokens) {
    ui.label(secondary(tr("Where you and the model differ"), t));
    ui.horizontal_wrapped(|ui| {
        for [own, model] in words::beside(own, model) {
            let strong = |text: String| RichText::new(text).size(TITLE).color(t.review).underline();
            let text = match (own, model) {
                (Some(own), Some(model)) if own == model => RichText::new(own).size(TITLE).color(t.text[1]),
                (Some(own), Some(model)) => strong(format!("{own} ≠ {model}")),
                (Some(own), None) => strong(format!("{own} ≠ –")),
                (None, Some(model)) => strong(format!("– ≠ {model}")),
                (None, None) => continue,
            };
            ui.label(text);
        }
    });
    ui.label(note(tr("yours ≠ the model's; – where a word is missing"), t));
}

/// The line's convention in a few words.
fn convention(rule: &TranscriptRule) -> String {
    let named = |words: &[String]| match words.len() {
        0 => String::new(),
        n if n > NAMED_MAX => format!("{n} {}", tr("words")),
        _ => words.join(" "),
    };
    let length = match (rule.words_min, rule.words_max) {
        (least, most) if least == most => format!("{least} {}", tr("words")),
        (least, most) => format!("{least} {} {most} {}", tr("to"), tr("words")),
    };
    let numbers = match rule.numbers {
        Numbers::Words => tr("numbers in words, digit by digit"),
        Numbers::Figures => tr("numbers in figures, digit by digit"),
        Numbers::AsWritten => "",
    };
    let check = match rule.check {
        Some(CheckDigit::Luhn) => tr("check digit: Luhn"),
        Some(CheckDigit::Luhn36) => tr("check symbol: Luhn, modulo 36"),
        Some(CheckDigit::Mod11) => tr("check digit: modulo 11"),
        None => "",
    };
    let noises: Vec<String> = rule.noises.iter().map(|noise| format!("[{noise}]")).collect();
    let list = |name: &str, words: &str| match words {
        "" => String::new(),
        words => format!("{name}: {words}"),
    };
    let said = match () {
        () if !rule.phrases.is_empty() => named(&rule.phrases),
        () if rule.words == rule.digits => tr("the ten digits").to_owned(),
        () => named(&rule.words),
    };
    let parts = [
        list(tr("Said here"), &said),
        length,
        numbers.to_owned(),
        check.to_owned(),
        list(tr("left out"), &named(&rule.fillers)),
        list(tr("heard, not said"), &named(&noises)),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
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
