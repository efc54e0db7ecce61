//! How what is said is written down, and what can be said, as a part of the plan's form.

use super::super::texts::tr;
use super::super::theme::tokens;
use super::super::widgets::note;
use super::plan_form::{number_usize, row, text};
use crate::domain::{CheckDigit, Numbers, TranscriptRule};
use eframe::egui::{self, Role, TextEdit, Ui, WidgetInfo, vec2};
use std::collections::BTreeMap;

/// Longest item that the form can ask for; a plan on the disk may go beyond.
const WORDS_MAX: usize = 256;

/// A rule as it is typed. Lists are texts: words with spaces between them, phrases and pairs one a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SaidForm {
    rule: TranscriptRule,
    words: String,
    phrases: String,
    digits: String,
    fillers: String,
    noises: String,
    same: String,
}

impl SaidForm {
    pub fn new(rule: &TranscriptRule) -> Self {
        let pairs: Vec<String> =
            rule.same.iter().map(|(said, written)| format!("{said} = {written}")).collect();
        Self {
            words: rule.words.join(" "),
            phrases: rule.phrases.join("\n"),
            digits: rule.digits.join(" "),
            fillers: rule.fillers.join(" "),
            noises: rule.noises.join(" "),
            same: pairs.join("\n"),
            rule: rule.clone(),
        }
    }

    /// What is typed, or what is wrong with it.
    pub fn rule(&self) -> Result<TranscriptRule, String> {
        let list = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let rows = |text: &str| -> Vec<String> {
            text.lines().map(str::trim).filter(|row| !row.is_empty()).map(str::to_owned).collect()
        };
        let digits = list(&self.digits)
            .try_into()
            .map_err(|names: Vec<String>| format!("{}, {}", tr("0 to 9 have ten names"), names.len()))?;
        let mut same = BTreeMap::new();
        for pair in rows(&self.same) {
            let (said, written) =
                pair.split_once('=').ok_or_else(|| format!("\"{pair}\": {}", tr("is not word = word")))?;
            same.insert(said.trim().to_owned(), written.trim().to_owned());
        }
        Ok(TranscriptRule {
            words: list(&self.words),
            phrases: rows(&self.phrases),
            digits,
            fillers: list(&self.fillers),
            noises: list(&self.noises),
            same,
            ..self.rule.clone()
        })
    }

    pub fn ui(&mut self, ui: &mut Ui) {
        let t = tokens(ui);
        let about = tr(
            "How people write, and all that can be said; without words, whatever the model knows. Transcripts are \
             compared after it",
        );
        ui.label(note(about, t));
        row(ui, tr("Words"), |ui| {
            text(ui, &mut self.words, tr("Words"));
            if ui.button(tr("Digits alone")).clicked() {
                self.words.clone_from(&self.digits);
            }
        });
        row(ui, tr("Or exactly one of these phrases"), |ui| {
            rows_ui(ui, &mut self.phrases, tr("Phrases, one a line"));
        });
        row(ui, tr("Words of one item"), |ui| {
            number_usize(ui, &mut self.rule.words_min, 0..=WORDS_MAX, tr("At least so many words"));
            ui.label(note(tr("to"), t));
            number_usize(ui, &mut self.rule.words_max, 0..=WORDS_MAX, tr("At most so many words"));
        });
        self.written_ui(ui);
        row(ui, tr("Names of 0 to 9"), |ui| text(ui, &mut self.digits, tr("Names of 0 to 9")));
        row(ui, tr("Left out"), |ui| text(ui, &mut self.fillers, tr("Left out")));
        row(ui, tr("Heard, not said"), |ui| {
            text(ui, &mut self.noises, tr("Heard, not said"));
            ui.label(note(tr("written in brackets: [cough]"), t));
        });
        row(ui, tr("Other ways to say a word"), |ui| {
            rows_ui(ui, &mut self.same, tr("Other ways to say a word, one a line: oh = zero"));
        });
    }

    /// What is chosen rather than typed.
    fn written_ui(&mut self, ui: &mut Ui) {
        row(ui, tr("The last symbol"), |ui| {
            let name = |check: Option<CheckDigit>| match check {
                None => tr("is like any other"),
                Some(CheckDigit::Luhn) => tr("is a check digit by Luhn's sum"),
                Some(CheckDigit::Luhn36) => tr("is a check symbol by Luhn's sum, modulo 36"),
                Some(CheckDigit::Mod11) => tr("is a check digit modulo 11, as in ISBN-10"),
            };
            let checks = [None, Some(CheckDigit::Luhn), Some(CheckDigit::Luhn36), Some(CheckDigit::Mod11)];
            choice_ui(ui, "check", &mut self.rule.check, checks, name);
        });
        row(ui, tr("Numbers"), |ui| {
            let name = |numbers| match numbers {
                Numbers::Words => tr("digit by digit in words"),
                Numbers::Figures => tr("digit by digit in figures"),
                Numbers::AsWritten => tr("as they were written"),
            };
            let all = [Numbers::Words, Numbers::Figures, Numbers::AsWritten];
            choice_ui(ui, "numbers", &mut self.rule.numbers, all, name);
        });
        row(ui, tr("What means something"), |ui| {
            ui.checkbox(&mut self.rule.capitals, tr("capital letters"));
            ui.checkbox(&mut self.rule.punctuation, tr("punctuation"));
        });
    }
}

fn choice_ui<T: Copy + PartialEq, const N: usize>(
    ui: &mut Ui,
    id: &str,
    value: &mut T,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) {
    egui::ComboBox::from_id_salt(id).width(280.0).selected_text(name(*value)).show_ui(ui, |ui| {
        for one in all {
            ui.selectable_value(value, one, name(one));
        }
    });
}

fn rows_ui(ui: &mut Ui, value: &mut String, name: &str) {
    let field = TextEdit::multiline(value).desired_rows(2).desired_width(280.0).margin(vec2(8.0, 7.0));
    ui.add(field).widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_goes_through_the_form_unchanged_and_nonsense_is_named() {
        let rule = TranscriptRule {
            words: vec!["one".into(), "two".into()],
            phrases: vec!["one two".into(), "two".into()],
            words_min: 2,
            check: Some(CheckDigit::Mod11),
            numbers: Numbers::Figures,
            same: BTreeMap::from([("oh".into(), "zero".into()), ("stop it".into(), "stop".into())]),
            ..TranscriptRule::default()
        };
        let mut form = SaidForm::new(&rule);
        assert_eq!(form.rule().unwrap(), rule);
        assert_eq!(SaidForm::new(&TranscriptRule::default()).rule().unwrap(), TranscriptRule::default());
        form.words = " one   two ".into();
        assert_eq!(form.rule().unwrap(), rule, "spaces are nothing");
        form.same = "oh zero".into();
        assert!(form.rule().unwrap_err().contains("word = word"));
        form.same.clear();
        form.digits = "one two".into();
        assert!(form.rule().unwrap_err().contains("ten names"));
    }
}
