//! Risk over coverage, and the estimate of escapes over checks: a line in a band, beside the promise.

use super::super::plots::{legend_ui, line, still};
use super::super::texts::tr;
use super::super::theme::Tokens;
use super::super::widgets::{note, percent};
use super::cards::fine;
use crate::domain::{Promise, Thresholds};
use crate::engine::{CurvePoint, LimitKind, PromiseReport, Support};
use eframe::egui::Ui;
use egui_plot::{FilledArea, HLine, LineStyle, VLine};

const RISK_HEIGHT: f32 = 390.0;
const SERIES_HEIGHT: f32 = 160.0;
/// How opaque a band is.
const BAND: f32 = 0.22;

/// The first limit that the curve can break: what it counts, and how much may be, as a share.
fn limit_on_escapes(promise: &Promise) -> Option<(&'static str, f64)> {
    let first = promise.stated().into_iter().find(|one| one.kind != LimitKind::Overkill)?;
    let what = match first.kind {
        LimitKind::Miss => tr("passed among the defective"),
        LimitKind::Error => tr("wrong among the accepted"),
        _ => tr("defective among the passed"),
    };
    Some((what, first.limit.limit.get()))
}

/// What passing more would risk; the threshold in force, and the one that is looked at.
pub(super) fn risk_ui(
    ui: &mut Ui,
    report: &PromiseReport,
    promise: &Promise,
    what_if: Option<&Support>,
    t: Tokens,
) {
    if report.curve.len() < 2 {
        ui.label(note(tr("Nothing is known yet of what would pass"), t));
        return;
    }
    let limit_on = limit_on_escapes(promise);
    let limit = limit_on.map(|(_, limit)| limit);
    let counted = limit_on.map_or(tr("passed among the defective"), |(what, _)| what);
    let xs: Vec<f64> = report.curve.iter().map(|point| 100.0 * point.coverage).collect();
    let of = |value: fn(&CurvePoint) -> f64| -> Vec<f64> {
        report.curve.iter().map(|point| 100.0 * value(point)).collect()
    };
    let (low, high, risk) = (of(|p| p.low), of(|p| p.high), of(|p| p.risk));
    // The band begins at everything: what the promise is about has to be seen.
    let top = limit.map_or(10.0, |limit| 400.0 * limit).max(1.3 * risk.iter().copied().fold(0.0, f64::max));
    let high: Vec<f64> = high.into_iter().map(|v| v.min(top)).collect();
    let coverage = |thresholds: Thresholds| {
        let t = thresholds.pass_below.or(thresholds.accept_below)?;
        let below = report.curve.iter().rev().find(|point| point.threshold <= t);
        Some(below.map_or(0.0, |point| 100.0 * point.coverage))
    };
    let in_force = report.policy.as_ref().and_then(|policy| coverage(policy.thresholds));
    let looked_at = what_if.and_then(|support| coverage(support.thresholds));
    ui.visuals_mut().override_text_color = Some(t.text[2]);
    still("risk", RISK_HEIGHT, t)
        .x_axis_label(tr("passed without a person"))
        .y_axis_label(counted)
        .x_axis_formatter(|mark, _| format!("{:.0} %", mark.value))
        .y_axis_formatter(|mark, _| format!("{:.1} %", mark.value))
        .include_y(0.0)
        .include_y(top)
        .include_x(0.0)
        .include_x(100.0)
        .show(ui, |plot| {
            plot.add(FilledArea::new("band", &xs, &low, &high).fill_color(t.pass.gamma_multiply(BAND)));
            let points = xs.iter().zip(&risk).map(|(x, y)| [*x, *y]).collect();
            plot.line(line("risk", points, t.pass, 2.0));
            if let Some(limit) = limit {
                let promised = HLine::new("promise", 100.0 * limit).color(t.divert);
                plot.hline(promised.style(LineStyle::dashed_dense()));
            }
            if let Some(at) = in_force {
                plot.vline(VLine::new("in force", at).color(t.text[0]).width(1.5));
            }
            if let Some(at) = looked_at {
                plot.vline(VLine::new("what if", at).color(t.accent).style(LineStyle::dashed_dense()));
            }
        });
    ui.visuals_mut().override_text_color = None;
    let at = |share: f64| percent(share / 100.0);
    let mut lines =
        vec![(t.pass, LineStyle::Solid, format!("{counted}; {}", tr("band: 90 % at each point for itself")))];
    lines.extend(limit.map(|limit| {
        (t.divert, LineStyle::dashed_dense(), format!("{} {}", tr("the promise:"), fine(limit)))
    }));
    lines.extend(
        in_force
            .map(|share| (t.text[0], LineStyle::Solid, format!("{} {}", tr("in force: passes"), at(share)))),
    );
    lines.extend(looked_at.map(|share| {
        (t.accent, LineStyle::dashed_dense(), format!("{} {}", tr("what if: passes"), at(share)))
    }));
    legend_ui(ui, lines, t);
}

/// The estimate as checks came in.
pub(super) fn series_ui(ui: &mut Ui, report: &PromiseReport, promise: &Promise, t: Tokens) {
    if report.series.len() < 2 {
        ui.label(note(tr("No automatic decision was checked yet"), t));
        return;
    }
    let xs: Vec<f64> = report.series.iter().map(|point| point.estimate.checked as f64).collect();
    let of = |value: fn(&crate::engine::Estimate) -> f64| -> Vec<f64> {
        report.series.iter().map(|point| 100.0 * value(&point.estimate)).collect()
    };
    let (low, high, rate) = (of(|e| e.low), of(|e| e.high), of(|e| e.rate));
    let limit = promise.outgoing.map(|limit| 100.0 * limit.limit.get());
    let last = rate.last().copied().unwrap_or_default();
    let top = limit.map_or(10.0, |limit| 4.0 * limit).max(3.0 * last);
    let high: Vec<f64> = high.into_iter().map(|v| v.min(top)).collect();
    ui.visuals_mut().override_text_color = Some(t.text[2]);
    still("escapes", SERIES_HEIGHT, t)
        .x_axis_label(tr("checks"))
        .y_axis_formatter(|mark, _| format!("{:.1} %", mark.value))
        .include_y(0.0)
        .include_y(top)
        .show(ui, |plot| {
            plot.add(FilledArea::new("band", &xs, &low, &high).fill_color(t.pass.gamma_multiply(BAND)));
            let points = xs.iter().zip(&rate).map(|(x, y)| [*x, *y]).collect();
            plot.line(line("escapes", points, t.pass, 2.0));
            if let Some(limit) = limit {
                let promised = HLine::new("promise", limit).color(t.divert);
                plot.hline(promised.style(LineStyle::dashed_dense()));
            }
        });
    ui.visuals_mut().override_text_color = None;
    let found = (t.pass, LineStyle::Solid, tr("escapes; band: 95 %").to_owned());
    let promised = limit.map(|limit| {
        (t.divert, LineStyle::dashed_dense(), format!("{} {}", tr("the promise:"), fine(limit / 100.0)))
    });
    legend_ui(ui, std::iter::once(found).chain(promised), t);
}
