//! A candidate that decides a share of the line: how much, by what, what the next step still takes, and how
//! near it is to being taken back.

use super::page::Page;
use super::texts::tr;
use super::theme::{SPACE, Tokens};
use super::time;
use super::widgets::{Mark, card_ui, figure_ui, note, percent, probability, progress_ui, secondary, told_ui};
use crate::domain::{Canary, Release, ReleaseRule};
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
        figures_ui(ui, release, canary, rule, report, t);
        ui.add_space(SPACE[1]);
        ui.columns(2, |columns| {
            let [next, back] = columns else { return };
            next.label(secondary(tr("The next step takes"), t).strong());
            for line in checklist {
                told_ui(next, if line.is_met { Mark::Pass } else { Mark::Ask }, &line.what);
            }
            back.label(secondary(tr("It is taken back by itself when"), t).strong());
            for (name, found) in [
                (tr("wrong calls"), &report.calls),
                (tr("escapes"), &report.escapes),
                (tr("false diverts"), &report.overkill),
            ] {
                bet_ui(back, name, found, report.capital_needed);
            }
            let chance = format!(
                "{} {} %",
                tr("or when it fails or is late too often. One that is no worse is taken back with a chance of"),
                rule.false_abort * 100.0
            );
            back.label(note(chance, t));
        });
    });
}

fn figures_ui(
    ui: &mut Ui,
    release: &Release,
    canary: &Canary,
    rule: &ReleaseRule,
    report: &CompareReport,
    t: Tokens,
) {
    let steps: Vec<String> = rule.steps.iter().map(|step| percent(*step)).collect();
    let reached = rule.steps.iter().filter(|step| **step <= canary.share.get()).count();
    let thresholds = canary.policy.thresholds;
    let at =
        |p: Option<_>| p.map_or_else(|| "–".to_owned(), |p: crate::domain::Probability| probability(p.get()));
    ui.columns(4, |columns| {
        let since = format!("{} · {} {}", tr("of the units"), tr("since"), time::day(release.since));
        figure_ui(&mut columns[0], tr("Decides"), &percent(canary.share.get()), &since, t.text[0]);
        let step = format!("{reached} {} {}", tr("of"), steps.len());
        figure_ui(&mut columns[1], tr("Step"), &step, &steps.join(" · "), t.text[0]);
        let known = format!("{} / {}", report.own, rule.step_inspections);
        let about = tr("decided by itself, with a known truth");
        figure_ui(&mut columns[2], tr("In this step"), &known, about, t.text[0]);
        let about = format!("{} {}", tr("diverts above"), at(thresholds.divert_above));
        figure_ui(&mut columns[3], tr("Passes below"), &at(thresholds.pass_below), &about, t.text[0]);
    });
}

/// How far the bet against it has come, on a scale on which equal evidence takes equal steps.
fn bet_ui(ui: &mut Ui, name: &str, found: &Comparison, needed: f64) {
    let share = (found.capital.max(1.0).ln() / needed.max(2.0).ln()).clamp(0.0, 1.0);
    let words = format!(
        "{name}: {} {}, {} {} · {} {:.1} {} {needed:.0}",
        found.only_candidate_wrong,
        tr("only its own"),
        found.only_live_wrong,
        tr("only the live model's"),
        tr("bet at"),
        found.capital,
        tr("of"),
    );
    progress_ui(ui, Some(share), &words, None);
}
