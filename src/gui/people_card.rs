//! The live model beside the people who answered what it has seen.

use super::layout::figures_ui;
use super::page::Page;
use super::texts::tr;
use super::theme::{SECONDARY, SPACE};
use super::verbs::Verb;
use super::widgets::{card_ui, note, percent, secondary};
use crate::engine::{Ask, BesidePeople, Share};
use eframe::egui::{Grid, RichText, Ui, vec2};

/// Items that the card lists.
const LISTED: usize = 12;

pub(super) fn people_ui(ui: &mut Ui, page: &mut Page<'_>, report: &BesidePeople) {
    let t = page.tokens;
    card_ui(ui, tr("Beside the people"), |ui| {
        if report.calls.n == 0 {
            ui.label(note(tr("Nobody has answered an item that this model has seen since it is live"), t));
            return;
        }
        let figures = [
            (tr("Called differently"), Some(report.calls), tr("answered units")),
            (tr("Defective, called good"), report.missed, tr("defective units")),
            (tr("Good, called defective"), report.overkill, tr("good units")),
        ];
        let known = figures.into_iter().filter_map(|(title, share, of)| Some((title, figure(share?, of))));
        let known: Vec<(&str, [String; 2])> = known.collect();
        let known: Vec<[&str; 3]> =
            known.iter().map(|(title, [rate, about])| [*title, rate, about]).collect();
        figures_ui(ui, &known);
        if report.listed.is_empty() {
            return;
        }
        ui.add_space(SPACE[1]);
        ui.label(secondary(tr("What people call differently, the newest first"), t).strong());
        Grid::new("contradictions").num_columns(3).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
            for one in report.listed.iter().take(LISTED) {
                if ui.link(RichText::new(&one.unit).size(SECONDARY)).clicked() {
                    page.ask(Ask::Show(one.item));
                    page.verbs.push(Verb::PageReview);
                }
                let says = format!("{} {} {}", tr("model"), one.model, percent(one.probability.get()));
                ui.label(secondary(says, t));
                ui.label(RichText::new(format!("{} {}", tr("people"), one.people)).size(SECONDARY));
                ui.end_row();
            }
        });
        if report.listed.len() > LISTED {
            ui.label(note(format!("{} {} {}", tr("and"), report.listed.len() - LISTED, tr("more")), t));
        }
    });
    ui.add_space(SPACE[1]);
}

/// A rate, and what is known of it.
fn figure(share: Share, of: &str) -> [String; 2] {
    let rate = percent(share.errors as f64 / share.n.max(1) as f64);
    // In one piece where the line breaks.
    let interval = format!("[{}, {}]", percent(share.low), percent(share.high)).replace(' ', "\u{a0}");
    [rate, format!("{} {} {} {of} · {interval}", share.errors, tr("of"), share.n)]
}
