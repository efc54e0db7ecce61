//! A candidate that decides a share of the line: how much, by what, what the next step still takes, and how
//! near it is to being taken back.

use super::layout::{figures_ui, halves_ui};
use super::page::Page;
use super::releases::checklist_ui;
use super::texts::tr;
use super::theme::{SPACE, tokens};
use super::time;
use super::widgets::{Mark, card_ui, note, percent, probability, progress_ui, secondary, told_ui};
use crate::domain::{Canary, Level, Probability, Release, ReleaseRule};
use crate::engine::{CompareReport, Comparison, Requirement};
use eframe::egui::Ui;

pub(super) fn canary_ui(
    ui: &mut Ui,
    page: &Page<'_>,
    release: &Release,
    report: &CompareReport,
    checklist: &[Requirement],
) {
    let Some(canary) = &release.canary else { return };
    let (t, rule) = (page.tokens, &page.session.plan.release);
    card_ui(ui, tr("Its share of the line"), |ui| {
        share_ui(ui, release, canary, rule, report);
        if let Some(words) = asks_people(page.session.station.level, canary) {
            told_ui(ui, Mark::Ask, words);
        }
        ui.add_space(SPACE[1]);
        let next = |ui: &mut Ui| {
            ui.label(secondary(tr("The next step takes"), t).strong());
            checklist_ui(ui, checklist);
        };
        halves_ui(ui, next, |ui| {
            ui.label(secondary(tr("It is taken back by itself when"), t).strong());
            for (name, found) in [
                (tr("wrong calls"), &report.calls),
                (tr("escapes"), &report.escapes),
                (tr("false diverts"), &report.overkill),
            ] {
                bet_ui(ui, name, found, report.capital_needed);
            }
            let chance = format!(
                "{} {} %",
                tr(
                    "or when it fails or is late too often. One that is no worse is taken back with a chance of"
                ),
                rule.false_abort * 100.0
            );
            ui.label(note(chance, t));
        });
    });
}

/// Why people decide its share as well, in words.
fn asks_people(level: Option<Level>, canary: &Canary) -> Option<&'static str> {
    let thresholds = canary.policy.thresholds;
    if level.is_some_and(|level| !level.is_automatic()) {
        Some(tr("People decide these units as well: at this level of the line no model decides"))
    } else if thresholds.pass_below.is_none() && thresholds.divert_above.is_none() {
        Some(tr("People decide these units as well: its evidence supports no threshold yet"))
    } else {
        None
    }
}

fn share_ui(ui: &mut Ui, release: &Release, canary: &Canary, rule: &ReleaseRule, report: &CompareReport) {
    let steps: Vec<String> = rule.steps.iter().map(|step| percent(*step)).collect();
    let reached = rule.steps.iter().filter(|step| **step <= canary.share.get()).count();
    let thresholds = canary.policy.thresholds;
    let at = |p: Option<Probability>| p.map_or_else(|| tr("nothing").to_owned(), |p| probability(p.get()));
    figures_ui(
        ui,
        &[
            [
                tr("Its share"),
                &percent(canary.share.get()),
                &format!("{} · {} {}", tr("of the units"), tr("since"), time::day(release.since)),
            ],
            [tr("Step"), &format!("{reached} {} {}", tr("of"), steps.len()), &steps.join(" · ")],
            [
                tr("In this step"),
                &format!("{} / {}", report.own, rule.step_inspections),
                tr("of its share, with a known truth"),
            ],
            [
                tr("Passes below"),
                &at(thresholds.pass_below),
                &format!("{} {}", tr("diverts above"), at(thresholds.divert_above)),
            ],
        ],
    );
}

/// How far the evidence against it has come, on a scale on which equal evidence takes equal steps.
fn bet_ui(ui: &mut Ui, name: &str, found: &Comparison, needed: f64) {
    let share = (found.capital.max(1.0).ln() / needed.max(2.0).ln()).clamp(0.0, 1.0);
    let evidence = format!("{name}: {} {}", percent(share), tr("of the evidence that takes it back"));
    progress_ui(ui, Some(share), &evidence, None);
    let [own, of_live] = [found.only_candidate_wrong, found.only_live_wrong];
    let counts = format!("{own} {}, {of_live} {}", tr("only its own"), tr("only the live model's"));
    ui.label(note(counts, tokens(ui)));
}
