//! Figures, limits, evidence, checks: each number with what it counts.

use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{BODY, SECONDARY, SPACE, Tokens};
use super::super::widgets::{Mark, figure_ui, note, percent, probability, secondary, told_ui};
use crate::domain::Probability;
use crate::engine::{Estimate, LimitKind, Origin, PromiseReport, Support, UnitKind};
use eframe::egui::{Align, Grid, Layout, RichText, Ui};

/// Estimates from random checks, and the automation rate.
pub(super) fn figures_ui(ui: &mut Ui, page: &Page<'_>, report: &PromiseReport) {
    let t = page.tokens;
    let found = &report.estimates;
    let promise = &page.session.plan.promise;
    let estimate = |estimate: Option<Estimate>, none: &str, of: u64, what: &str| match estimate {
        None => ("–".to_owned(), format!("{none} · {of} {what}")),
        Some(e) => (
            fine(e.rate),
            format!(
                "{} {} {} {} {} {} {} {of} {what}",
                interval(e.low, e.high),
                e.errors,
                tr("of"),
                e.checked,
                tr("checked"),
                "·",
                tr("of")
            ),
        ),
    };
    let kept = |limit: Option<crate::domain::Limit>, e: Option<Estimate>| match (limit, e) {
        (Some(limit), Some(e)) if e.low > limit.limit.get() => {
            format!(" · {} {}", tr("above the promise of"), fine(limit.limit.get()))
        }
        (Some(limit), Some(e)) if e.high <= limit.limit.get() => {
            format!(" · {} {}", tr("surely within the promise of"), fine(limit.limit.get()))
        }
        (Some(limit), _) => format!(" · {} {}", tr("promised"), fine(limit.limit.get())),
        _ => String::new(),
    };
    let none = tr("not checked yet");
    let (escapes, about) = estimate(found.escapes, none, found.passed, tr("passed unseen"));
    let tallies = page.session.station.tallies;
    ui.columns(3, |columns| {
        let color = match (found.escapes, promise.outgoing) {
            (Some(e), Some(limit)) if e.low > limit.limit.get() => t.divert,
            _ => t.text[0],
        };
        let title = tr("Outgoing defects, from random checks");
        figure_ui(&mut columns[0], title, &escapes, &(about + &kept(promise.outgoing, found.escapes)), color);
        let rate = tallies.automation_rate().map_or_else(|| "–".to_owned(), percent);
        let about = format!(
            "{} {} {} {}",
            tallies.automatic,
            tr("of"),
            tallies.inspections,
            tr("inspections of this line")
        );
        figure_ui(&mut columns[1], tr("Decided without a person"), &rate, &about, t.text[0]);
        let (wrong, about) = estimate(found.false_diverts, none, found.diverted, tr("diverted unseen"));
        figure_ui(&mut columns[2], tr("Good ones among the diverted"), &wrong, &about, t.text[0]);
    });
}

/// Small shares need two digits.
pub(super) fn fine(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn interval(low: f64, high: f64) -> String {
    format!("[{:.2}, {:.2}] ·", low * 100.0, high * 100.0)
}

/// What the evidence supports, in one or two lines.
pub(super) fn support_ui(ui: &mut Ui, support: &Support, t: Tokens) {
    let at = |p: Option<Probability>| p.map_or_else(|| tr("never").to_owned(), |p| probability(p.get()));
    if support.supported {
        let thresholds = support.thresholds;
        let words = match thresholds.accept_below {
            Some(accept) => format!("{} {}", tr("names count below a doubt of"), probability(accept.get())),
            None => format!(
                "{} {} · {} {}",
                tr("passes below"),
                at(thresholds.pass_below),
                tr("diverts above"),
                at(thresholds.divert_above)
            ),
        };
        told_ui(ui, Mark::Pass, format!("{} · {words}", tr("Supported")));
        if let Some(rate) = support.automation_rate {
            ui.label(secondary(format!("{} {}", percent(rate), tr("would be decided without a person")), t));
        }
        return;
    }
    let why = support.missing().unwrap_or_else(|| tr("the plan makes no promise").to_owned());
    told_ui(ui, Mark::Ask, format!("{}: {why}", tr("Not supported")));
    let shared = support.limits.iter().find(|limit| limit.tested_confidence != limit.confidence);
    if let Some(limit) = shared {
        let words = format!(
            "{} {} {}, {} {}",
            support.limits.len(),
            tr("limits are promised together: each is tested at"),
            limit.tested_confidence.percent(),
            tr("so that all hold at"),
            limit.confidence.percent()
        );
        ui.label(note(words, t));
    }
}

fn units_word(of: UnitKind) -> &'static str {
    tr(match of {
        UnitKind::DefectiveUnits => "defective units",
        UnitKind::GoodUnits => "good units",
        UnitKind::Inspections => "inspections",
    })
}

/// What more of the same evidence would bring.
pub(super) fn outlook_ui(ui: &mut Ui, report: &PromiseReport, t: Tokens) {
    let seen = report.outlook.first().map_or(0, |now| now.units);
    for (i, point) in report.outlook.iter().enumerate() {
        let name = if i == 0 {
            format!("{}, {} {}", tr("now"), point.units, tr("verified units"))
        } else {
            format!("+ {} {}", point.units.saturating_sub(seen), tr("units like these"))
        };
        let value = match (point.supported, point.automation_rate) {
            (true, Some(rate)) if i == 0 => percent(rate),
            (true, Some(rate)) => format!("≈ {}", percent(rate)),
            _ => tr("not supported").to_owned(),
        };
        row_ui(ui, &name, &value, t);
    }
    let open = report.support.limits.iter().filter(|limit| !limit.supported);
    for (limit, more) in open.filter_map(|limit| Some((limit, limit.labels_needed.filter(|n| *n > 0)?))) {
        let name = format!("{} {}", tr("for the limit of"), limit.name());
        row_ui(ui, &name, &format!("≈ {more} {}", units_word(limit.labels_of)), t);
    }
}

fn row_ui(ui: &mut Ui, name: &str, value: &str, t: Tokens) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(name).size(SECONDARY).color(t.text[1]));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(value).size(BODY).strong());
        });
    });
}

/// Each limit with its bound and how that came about.
pub(super) fn limits_ui(ui: &mut Ui, report: &PromiseReport, t: Tokens) {
    let support = &report.support;
    if support.limits.is_empty() {
        ui.label(note(tr("The plan makes no promise: Settings, Plan"), t));
    }
    for limit in &support.limits {
        let at = limit.threshold.map_or_else(|| "–".to_owned(), |p| probability(p.get()));
        let words = format!(
            "{} ≤ {} {} {:.0} %: {} {} {} {} · {} {} {} {at}",
            limit.name(),
            fine(limit.limit.get()),
            tr("at"),
            limit.confidence.get() * 100.0,
            limit.errors,
            tr("errors in"),
            limit.n,
            units_word(limit.labels_of),
            tr("at most"),
            fine(limit.bound.get()),
            tr("at threshold"),
        );
        told_ui(ui, if limit.supported { Mark::Pass } else { Mark::Ask }, words);
        if let Some(bound) = limit.bound_corrected {
            let words = tr("with what people overlook, at most");
            ui.label(note(format!("{words} {}", fine(bound.get())), t));
        }
        if let Some(why) = &limit.why {
            ui.label(note(why, t));
        }
    }
    let how = match support.method.as_str() {
        "exact" => tr(
            "Exact bounds (Clopper–Pearson); thresholds tested in a fixed order, the first failure ends it",
        ),
        _ => tr("Bounds by betting, valid however often one looks; thresholds tested in a fixed order"),
    };
    ui.label(note(how, t));
}

/// Where the evidence comes from, and with which weight.
pub(super) fn evidence_ui(ui: &mut Ui, report: &PromiseReport, t: Tokens) {
    Grid::new("sources").num_columns(4).spacing([SPACE[3], SPACE[0]]).show(ui, |ui| {
        for head in [tr("from"), tr("units"), tr("defective"), tr("weight")] {
            ui.label(note(head, t));
        }
        ui.end_row();
        for source in &report.support.sources {
            let name = match source.origin {
                Origin::Package => tr("kept apart when the model was trained"),
                Origin::Reviewed => tr("came to a person anyway"),
                Origin::Audit => tr("random checks"),
            };
            let [low, high] = source.weights;
            let weight = if low < high { format!("{low:.1} – {high:.1}") } else { format!("{low:.1}") };
            for cell in [name.to_owned(), source.n.to_string(), source.defective.to_string(), weight] {
                ui.label(RichText::new(cell).size(SECONDARY));
            }
            ui.end_row();
        }
    });
    if report.support.sources.is_empty() {
        ui.label(note(tr("None yet: answer what waits"), t));
    }
    ui.label(note(tr("All figures count inspections, of each unit the first. Evidence is about one model: another begins anew."), t));
}

/// How often decisions are checked, and by whom how well.
pub(super) fn checks_ui(ui: &mut Ui, report: &PromiseReport, t: Tokens) {
    if let Some(rates) = report.audits {
        for (name, rate) in [
            (tr("passes far from the threshold"), rates.pass_safe),
            (tr("passes near it"), rates.pass_near),
            (tr("diverts near the threshold"), rates.divert_near),
            (tr("diverts far from it"), rates.divert_safe),
            (tr("questions asked blind too"), rates.asked),
        ] {
            row_ui(ui, name, &percent(rate.get()), t);
        }
    }
    row_ui(ui, tr("waiting for an answer"), &report.pending.to_string(), t);
    match report.estimates.reviewer_error {
        Some(error) => {
            let most = report
                .estimates
                .reviewer_error_high
                .map_or_else(String::new, |high| format!(", {} {}", tr("at most"), percent(high)));
            row_ui(ui, tr("one look errs in, as far as two disagree"), &(percent(error) + &most), t);
            ui.label(note(format!("n = {} {}", report.estimates.answer_pairs, tr("pairs of answers")), t));
        }
        None => {
            ui.label(note(tr("How often people err is not known yet: nothing was answered twice"), t));
        }
    }
    if let Some(apart) = &report.said_apart {
        for (name, rate) in [
            (tr("words that two people write differently"), apart.words),
            (tr("characters"), apart.characters),
        ] {
            row_ui(ui, name, &format!("{} {}", fine(rate.value), interval(rate.low, rate.high)), t);
        }
        let (sounds, units) = (apart.sounds, apart.units);
        let n = format!("n = {sounds} {} {units} {}", tr("sounds of"), tr("units"));
        ui.label(note(format!("{n}, {} {}", apart.differ, tr("of them differ")), t));
    }
    for one in &report.estimates.by_class {
        let what = match one.kind {
            LimitKind::Miss => tr("of the verified ones passed unseen"),
            _ => tr("wrong among the verified ones accepted unseen"),
        };
        let e = one.estimate;
        let value = format!("{} {} n = {}", fine(e.rate), interval(e.low, e.high), e.checked);
        row_ui(ui, &format!("{}: {what}", one.class), &value, t);
    }
    if let Some(high) = report.estimates.escapes_high_corrected {
        row_ui(ui, tr("upper end for escapes, with that"), &fine(high), t);
    }
    ui.label(note(
        tr("A check that contradicts the station counts after a second look, as blind as the first."),
        t,
    ));
}
