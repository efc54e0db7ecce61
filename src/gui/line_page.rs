//! The line page: what the line does now, and how it went over the last half hour.

use super::feed::{Recent, StationAsk};
use super::meter::meter_ui;
use super::page::Page;
use super::plots::{Curve, plot_ui};
use super::session::Sample;
use super::texts::tr;
use super::theme::{BODY, SECONDARY, SPACE, Tokens};
use super::verbs::Verb;
use super::widgets::{Face, Mark, card_ui, figure_ui, note, percent, rule_ui, scroll_ui, secondary, verb_ui};
use crate::domain::SimulatorKind;
use crate::engine::{Hearing, LatencyMs};
use eframe::egui::{self, Align, Layout, RichText, Ui, vec2};

/// Points of a curve on the screen; more would only cost time.
const POINTS_MAX: usize = 400;
const METER_WIDTH: f32 = 260.0;

pub fn ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let ground = egui::Frame::new().fill(t.background[0]).inner_margin(SPACE[3]);
    egui::CentralPanel::default().frame(ground).show(ui, |ui| {
        scroll_ui(ui, "line", |ui| {
            alarms_ui(ui, page);
            figures_ui(ui, page);
            ui.add_space(SPACE[1]);
            plots_ui(ui, page);
            ui.add_space(SPACE[1]);
            ui.columns(2, |columns| {
                card_ui(&mut columns[0], tr("Last decisions"), |ui| recent_ui(ui, page));
                card_ui(&mut columns[1], tr("Source"), |ui| source_ui(ui, page));
            });
        });
    });
}

/// What a person should know now, each with its word; nothing here goes by itself while it is true.
fn alarms_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let station = &page.session.station;
    let budget = page.session.plan.budget;
    let mut alarms: Vec<String> = Vec::new();
    alarms.extend(station.alarms.iter().map(|(since, alarm)| {
        format!("{} {}: {}", tr("Alarm since"), super::time::clock(*since), alarm.text)
    }));
    alarms.extend(station.trouble.clone());
    alarms.extend(station.no_station.clone());
    let LatencyMs { p99, n, .. } = station.latency_ms;
    if n > 0 && p99 > budget.latency_ms_p99 {
        alarms.push(format!(
            "{}: p99 {p99:.0} ms, {} {:.0} ms (n = {n})",
            tr("Slower than the budget"),
            tr("budget"),
            budget.latency_ms_p99
        ));
    }
    if station.is_paused {
        alarms.push(tr("The line pauses: nothing is taken in").to_owned());
    }
    if station.summary.quarantined > 0 {
        alarms.push(format!("{} {}", station.summary.quarantined, tr("damaged files wait for a person")));
    }
    for alarm in alarms {
        egui::Frame::new()
            .fill(t.background[1])
            .stroke(egui::Stroke::new(1.0, t.review))
            .corner_radius(8)
            .inner_margin(SPACE[2])
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.horizontal(|ui| {
                    Mark::Ask.show_ui(ui);
                    ui.label(RichText::new(alarm).size(BODY));
                });
            });
        ui.add_space(SPACE[0]);
    }
}

fn figures_ui(ui: &mut Ui, page: &Page<'_>) {
    let t = page.tokens;
    let station = &page.session.station;
    let tallies = station.tallies;
    let items = format!("{} {} {}", tr("of"), tallies.arrived, tr("items"));
    let automation = tallies.automation_rate().map_or_else(|| "–".to_owned(), percent);
    let latency = if station.latency_ms.n == 0 {
        ("–".to_owned(), tr("no item yet").to_owned())
    } else {
        let LatencyMs { p50, p99, n } = station.latency_ms;
        (format!("{p50:.0} ms"), format!("p99 {p99:.0} ms · n = {n}"))
    };
    let budget = page.session.plan.budget;
    ui.columns(6, |columns| {
        figure_ui(&mut columns[0], tr("Passed"), &tallies.passed.to_string(), &items, t.pass);
        figure_ui(&mut columns[1], tr("Diverted"), &tallies.diverted.to_string(), &items, t.divert);
        figure_ui(&mut columns[2], tr("Waiting"), &tallies.waiting.to_string(), tr("for a person"), t.review);
        let n = format!("n = {} {}", tallies.inspections, tr("inspections"));
        figure_ui(&mut columns[3], tr("Decided without a person"), &automation, &n, t.text[0]);
        figure_ui(&mut columns[4], tr("Arrival to decision"), &latency.0, &latency.1, t.text[0]);
        let about = format!("{} {:.0}", tr("budget"), budget.items_per_s);
        let speed = format!("{:.1}", recent_rate(&page.session.series).unwrap_or(station.items_per_s));
        figure_ui(&mut columns[5], tr("Items a second"), &speed, &about, t.text[0]);
    });
}

/// Items a second over the last ten samples.
fn recent_rate(series: &std::collections::VecDeque<Sample>) -> Option<f64> {
    let (last, first) = (series.back()?, series.get(series.len().checked_sub(11)?)?);
    Some((last.arrived - first.arrived) as f64 / (last.at_secs - first.at_secs).max(1e-6))
}

fn plots_ui(ui: &mut Ui, page: &Page<'_>) {
    let t = page.tokens;
    let series = &page.session.series;
    let now = series.back().map_or(0.0, |sample| sample.at_secs);
    let step = series.len().div_ceil(POINTS_MAX).max(1);
    let points = |value: &dyn Fn(&Sample) -> Option<f64>| -> Vec<[f64; 2]> {
        series.iter().step_by(step).filter_map(|s| Some([(s.at_secs - now) / 60.0, value(s)?])).collect()
    };
    let rates: Vec<[f64; 2]> = series
        .iter()
        .zip(series.iter().skip(10))
        .step_by(step)
        .map(|(a, b)| {
            [(b.at_secs - now) / 60.0, (b.arrived - a.arrived) as f64 / (b.at_secs - a.at_secs).max(1e-6)]
        })
        .collect();
    let budget = page.session.plan.budget;
    ui.columns(3, |columns| {
        card_ui(&mut columns[0], tr("Arrival to decision, ms"), |ui| {
            let curves = vec![
                Curve { name: "p50", points: points(&|s| Some(s.p50_ms)), color: t.text[0] },
                Curve { name: "p99", points: points(&|s| Some(s.p99_ms)), color: t.accent },
            ];
            plot_ui(ui, "latency", tr(" min"), curves, Some(("budget", budget.latency_ms_p99)), t);
        });
        card_ui(&mut columns[1], tr("Items a second"), |ui| {
            plot_ui(
                ui,
                "rate",
                tr(" min"),
                vec![Curve { name: "items", points: rates, color: t.text[0] }],
                None,
                t,
            );
        });
        card_ui(&mut columns[2], tr("Waiting, and decided without a person in %"), |ui| {
            let curves = vec![
                Curve { name: "waiting", points: points(&|s| Some(s.waiting as f64)), color: t.review },
                Curve {
                    name: "without a person, %",
                    points: points(&|s| s.automation.map(|a| 100.0 * a)),
                    color: t.pass,
                },
            ];
            plot_ui(ui, "queue", tr(" min"), curves, None, t);
        });
    });
}

fn recent_ui(ui: &mut Ui, page: &Page<'_>) {
    let t = page.tokens;
    let station = &page.session.station;
    if station.recent.is_empty() {
        let text = if station.no_station.is_some() { tr("not known in this window") } else { tr("none yet") };
        ui.label(secondary(text, t));
    }
    for Recent { name, outcome, latency_ms } in &station.recent {
        let mark = Mark::from(*outcome);
        ui.horizontal(|ui| {
            mark.show_ui(ui);
            ui.allocate_ui_with_layout(vec2(56.0, 20.0), Layout::left_to_right(Align::Center), |ui| {
                ui.label(RichText::new(outcome.as_str()).size(SECONDARY).color(mark.color(t)));
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(note(format!("{latency_ms:.0} ms"), t));
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(RichText::new(name).size(SECONDARY)).truncate());
                });
            });
        });
    }
}

/// Where items come from, and its controls.
fn source_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let plan = page.session.plan.clone();
    let folder = page.session.folder.join(&plan.source.path);
    ui.label(RichText::new(format!("{} {}", tr("Watched folder"), folder.display())).size(SECONDARY));
    ui.label(note(format!("{} {}", tr("named as"), plan.source.pattern), t));
    if let Some(hearing) = &page.session.station.hearing {
        rule_ui(ui);
        hearing_ui(ui, hearing, t);
    }
    if let Some(simulator) = &plan.simulator {
        rule_ui(ui);
        let what = match simulator.kind {
            SimulatorKind::Phone => tr("A simulated phone line writes into it"),
            SimulatorKind::Motor => tr("A simulated test bench of motors writes into it"),
        };
        ui.label(RichText::new(what).size(SECONDARY));
        let words = format!(
            "{:.0} {} · {} {} · {} {}",
            simulator.units_per_minute,
            tr("units a minute"),
            percent(simulator.defect_share),
            tr("defective"),
            simulator.drift.len(),
            tr("scripted changes")
        );
        ui.label(note(words, t));
    }
    rule_ui(ui);
    let summary = page.session.station.summary;
    let words = format!(
        "{}: {} {} · {} {} · {} {}",
        tr("This run"),
        summary.arrived,
        tr("arrived"),
        summary.quarantined,
        tr("damaged"),
        summary.known,
        tr("known already")
    );
    ui.label(note(words, t));
    ui.add_space(SPACE[1]);
    if page.session.station.no_station.is_none() {
        let width = 220.0_f32.min(ui.available_width());
        let face = Face { is_selected: page.session.station.is_paused, ..Face::default() };
        if verb_ui(ui, width, page.keymap, Verb::Pause, face) {
            let ask = if page.session.station.is_paused { StationAsk::Resume } else { StationAsk::Pause };
            page.session.ask_station(ask);
        }
    }
}

/// What the microphone hears.
fn hearing_ui(ui: &mut Ui, hearing: &Hearing, t: Tokens) {
    let device = hearing.device.as_deref().unwrap_or("–");
    let state = match &hearing.trouble {
        Some(why) => why.clone(),
        None if hearing.is_open => tr("a clip is being recorded").to_owned(),
        None => tr("listening").to_owned(),
    };
    ui.label(RichText::new(format!("{} {device}: {state}", tr("Microphone"))).size(SECONDARY));
    if hearing.trouble.is_none() {
        meter_ui(ui, METER_WIDTH.min(ui.available_width()), &[hearing.peak], t);
    }
    let minutes = (hearing.heard_secs / 60.0).floor();
    let mut words =
        vec![format!("{} {}", hearing.clips, tr("clips")), format!("{minutes:.0} min {}", tr("heard"))];
    if hearing.lost_secs > 0.0 {
        words.push(format!("{:.1} s {}", hearing.lost_secs, tr("lost")));
    }
    if hearing.unwritten > 0 {
        words.push(format!("{} {}", hearing.unwritten, tr("not written yet")));
    }
    ui.label(note(words.join(" · "), t));
}
