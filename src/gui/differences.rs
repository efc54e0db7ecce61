//! What a candidate and the live model call differently: a list, and of the chosen item the picture twice, with
//! where each of them sees something. Which is which is told when a person has answered.

use super::page::Page;
use super::side::{Drawn, Side};
use super::texts::tr;
use super::theme::{BODY, SECONDARY, SPACE};
use super::verbs::Verb;
use super::widgets::{Mark, button_ui, note, percent, secondary, told_ui};
use crate::domain::{ItemId, Plan, ReviewMode, Route};
use crate::engine::{self, Ask, CompareReport, Differing, Disagreement, Line, Task};
use eframe::egui::{Grid, RichText, Ui, vec2};

/// Items that a card lists.
const LISTED: usize = 12;

#[derive(Default)]
pub(super) struct Differences {
    chosen: Option<ItemId>,
    /// Of which item both views were asked for.
    of: Option<ItemId>,
    reading: Option<Task<Option<Differing>>>,
    shown: Option<Differing>,
    sides: [Side; 2],
}

impl Differences {
    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, report: &CompareReport) {
        if report.listed.is_empty() {
            return;
        }
        ui.add_space(SPACE[1]);
        ui.label(secondary(tr("What they call differently"), page.tokens).strong());
        self.list_ui(ui, page, report);
        let Some(one) = report.listed.iter().find(|one| Some(one.item) == self.chosen) else { return };
        self.follow(ui, page, report, one);
        if let Some(shown) = self.shown.take_if(|shown| shown.item.id == one.item) {
            ui.add_space(SPACE[1]);
            self.pair_ui(ui, page, one, &shown);
            self.shown = Some(shown);
        }
    }

    fn list_ui(&mut self, ui: &mut Ui, page: &Page<'_>, report: &CompareReport) {
        let t = page.tokens;
        let listed = report.listed.iter().take(LISTED);
        Grid::new("disagreements").num_columns(3).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
            for one in listed {
                let is_chosen = self.chosen == Some(one.item);
                if ui.selectable_label(is_chosen, RichText::new(&one.unit).size(SECONDARY)).clicked() {
                    self.chosen = (!is_chosen).then_some(one.item);
                }
                match &one.truth {
                    Some(truth) => {
                        ui.label(RichText::new(truth).size(SECONDARY));
                        let who = match right(&page.session.plan, one, truth) {
                            [true, _] => tr("the live model is right"),
                            [_, true] => tr("the candidate is right"),
                            _ => tr("neither is right"),
                        };
                        ui.label(secondary(who, t));
                    }
                    None => {
                        ui.label(note(tr("not answered yet"), t));
                    }
                }
                ui.end_row();
            }
        });
        if report.listed.len() > LISTED {
            let more = report.listed.len() - LISTED;
            ui.label(note(
                format!("{} {more} {}", tr("and"), tr("more; those that nobody has answered come first")),
                t,
            ));
        }
    }

    /// What both say of the chosen one is read once.
    fn follow(&mut self, ui: &Ui, page: &mut Page<'_>, report: &CompareReport, one: &Disagreement) {
        if let Some(done) = self.reading.as_mut().and_then(Task::result) {
            self.reading = None;
            match done {
                Ok(shown) => self.shown = shown,
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        if self.of == Some(one.item) || self.reading.is_some() {
            return;
        }
        self.of = Some(one.item);
        let (folder, item, wake) = (page.session.folder.clone(), one.item, ui.ctx().clone());
        let models = [report.live.clone(), report.candidate.clone()];
        let read = move |_: &engine::TaskControl| {
            engine::differing(&Line::open(&folder, super::feed::ACTOR)?, item, &models)
        };
        match Task::start(tr("Reading what both say"), move || wake.request_repaint(), read) {
            Ok(task) => self.reading = Some(task),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }

    fn pair_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, one: &Disagreement, shown: &Differing) {
        let t = page.tokens;
        // On a line that is answered blind nobody sees what a model says before.
        let is_told = one.truth.is_some() || page.session.plan.review.mode == ReviewMode::Shown;
        let right = one.truth.as_ref().map(|truth| right(&page.session.plan, one, truth));
        // Which stands on the left says nothing, and is the same whenever it is looked at.
        let is_swapped = one.item.to_string().bytes().next_back().is_some_and(|byte| byte % 2 == 1);
        let order = if is_swapped && one.truth.is_none() { [1, 0] } else { [0, 1] };
        ui.columns(2, |columns| {
            for (place, (which, ui)) in order.into_iter().zip(columns).enumerate() {
                let said = says(one, which);
                let name = match (right, which) {
                    (None, _) if place == 0 => tr("One of the two").to_owned(),
                    (None, _) => tr("The other").to_owned(),
                    (Some(_), 0) => format!("{}: {}", tr("Live"), shown.predictions[0].model.name),
                    (Some(_), _) => format!("{}: {}", tr("Candidate"), shown.predictions[1].model.name),
                };
                ui.label(RichText::new(name).size(BODY).strong());
                match right {
                    Some(right) => {
                        let mark = if right[which] { Mark::Pass } else { Mark::Divert };
                        told_ui(ui, mark, said);
                    }
                    None if is_told => {
                        ui.label(secondary(said, t));
                    }
                    None => {
                        ui.label(note(tr("This line is answered blind: told after the answer"), t));
                    }
                }
                let regions = if is_told { shown.predictions[which].regions.as_slice() } else { &[] };
                let drawn =
                    Drawn { media: &shown.item.media, kind: shown.item.kind, regions, is_label: false };
                self.sides[which].ui(ui, page, drawn);
            }
        });
        ui.add_space(SPACE[1]);
        let (label, is_loud) =
            if one.truth.is_some() { (tr("Open it"), false) } else { (tr("Answer it"), true) };
        if button_ui(ui, label, is_loud).clicked() {
            page.ask(Ask::Show(one.item));
            page.verbs.push(Verb::PageReview);
        }
    }
}

/// What one of the two calls it, and how surely.
fn says(one: &Disagreement, which: usize) -> String {
    if let Some(said) = &one.said {
        return format!("“{}”", said[which]);
    }
    let (name, probability) = engine::called([one.live, one.candidate][which]);
    format!("{} {}", tr(name), percent(probability.get()))
}

/// Whether live model and candidate call it as people do; of two that differ at most one does.
fn right(plan: &Plan, one: &Disagreement, truth: &str) -> [bool; 2] {
    if let Some(said) = &one.said {
        return said.each_ref().map(|said| said == truth);
    }
    let is_bad = plan.route(truth) != Some(Route::Pass);
    [one.live, one.candidate].map(|p| (p.get() >= engine::CALL) == is_bad)
}
