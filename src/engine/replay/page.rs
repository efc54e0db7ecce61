//! A replay as one page to look at, and as a table.

use super::super::EngineError;
use super::super::sheet::escaped;
use super::{Moment, Replay, ReplayRun, Reviewer};
use crate::domain::{Stated, Task, limit_name};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 170.0;
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:32px;max-width:900px;color:#1d222a}\
h2{margin:32px 0 4px}p{margin:4px 0 12px;color:#55606e}table{border-collapse:collapse}\
td,th{padding:3px 18px 3px 0;text-align:left}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
svg{background:#f4f5f7;border-radius:4px;display:block}\
polyline{fill:none;stroke:#1668b0;stroke-width:1.5;stroke-opacity:.7}\
.limit{stroke:#b3470f;stroke-dasharray:6 4}.change{stroke:#55606e;stroke-dasharray:2 3}\
text{font:12px system-ui,sans-serif;fill:#55606e}";

/// Writes `index.html` and `over_time.csv` into a folder, which is made.
pub fn write_page(folder: &Path, replay: &Replay, reviewer: Reviewer) -> Result<(), EngineError> {
    fs::create_dir_all(folder).map_err(EngineError::io("cannot make", folder))?;
    let page = folder.join("index.html");
    fs::write(&page, html(replay, reviewer)).map_err(EngineError::io("cannot write", &page))?;
    let table = folder.join("over_time.csv");
    fs::write(&table, csv(replay)).map_err(EngineError::io("cannot write", &table))
}

fn csv(replay: &Replay) -> String {
    let mut text =
        "seed,items,level,passed,diverted,escapes,overkill,errors,labels_used,automation_rate\n".to_owned();
    for run in &replay.runs {
        for m in &run.over_time {
            let Moment {
                at,
                level,
                passed,
                diverted,
                escapes,
                overkill,
                errors,
                labels_used,
                automation_rate,
            } = m;
            let _ = writeln!(
                text,
                "{},{at},{level},{passed},{diverted},{escapes},{overkill},{errors},{labels_used},{automation_rate:.4}",
                run.seed
            );
        }
    }
    text
}

fn html(replay: &Replay, reviewer: Reviewer) -> String {
    let promise = &replay.plan.promise;
    let in_words = |Stated { kind, class, limit }: Stated<'_>| {
        let name = escaped(&limit_name(kind, class));
        format!("{name} ≤ {} at {}", percent(limit.limit.get()), percent(limit.confidence.get()))
    };
    let words: Vec<String> = promise.stated().into_iter().map(in_words).collect();
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Replay</title><style>{STYLE}</style>\
         <h1>{} replayed</h1><p>{}. Promise: {}. Answered by {}. {} runs.</p>",
        escaped(&replay.plan.name),
        escaped(&replay.dataset),
        if words.is_empty() { "none".to_owned() } else { words.join(", ") },
        reviewer.name(),
        replay.runs.len(),
    );
    summary(&mut page, &replay.runs);
    let [outgoing, error] = [promise.outgoing, promise.error].map(|limit| limit.map(|one| one.limit.get()));
    plot(&mut page, replay, "Decided without a person", "Share, between two points", None, |m| {
        m.automation_rate
    });
    if replay.plan.task != Task::Transcribe {
        plot(&mut page, replay, "Escapes among the passed", "Since the beginning", outgoing, |m| {
            m.escapes as f64 / m.passed.max(1) as f64
        });
    }
    if replay.plan.task != Task::Defect {
        plot(&mut page, replay, "Errors among the decided", "Since the beginning", error, |m| {
            m.errors as f64 / (m.passed + m.diverted).max(1) as f64
        });
    }
    plot(&mut page, replay, "Answers given", "Since the beginning", None, |m| m.labels_used as f64);
    moves(&mut page, &replay.runs);
    page.push_str("</html>");
    page
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn summary(page: &mut String, runs: &[ReplayRun]) {
    page.push_str(
        "<h2>What it came to</h2><table><tr><th class=\"n\">seed<th class=\"n\">inspections<th class=\"n\">automatic\
         <th class=\"n\">passed<th class=\"n\">escapes<th class=\"n\">diverted<th class=\"n\">of them good<th class=\"n\">misnamed\
         <th class=\"n\">answers<th class=\"n\">checks<th class=\"n\">alarms",
    );
    for run in runs {
        let cells = [
            run.seed.to_string(),
            run.inspections.to_string(),
            percent(run.automation_rate),
            run.passed.to_string(),
            run.escapes.to_string(),
            run.diverted.to_string(),
            run.overkill.to_string(),
            run.errors.to_string(),
            run.labels_used.to_string(),
            run.audits.to_string(),
            run.alarms.len().to_string(),
        ];
        page.push_str("<tr>");
        for cell in cells {
            let _ = write!(page, "<td class=\"n\">{cell}");
        }
    }
    page.push_str("</table>");
}

/// One line for each run.
fn plot(
    page: &mut String,
    replay: &Replay,
    title: &str,
    about: &str,
    limit: Option<f64>,
    value: impl Fn(&Moment) -> f64,
) {
    let moments = || replay.runs.iter().flat_map(|run| &run.over_time);
    let items = moments().map(|m| m.at).max().unwrap_or(1).max(1) as f64;
    let most = moments().map(&value).chain(limit.map(|l| 1.2 * l)).fold(0.0, f64::max).max(1e-9);
    let [x, y] = [
        |at: f64, items: f64| 44.0 + (WIDTH - 60.0) * at / items,
        |v: f64, most: f64| HEIGHT - 24.0 - (HEIGHT - 40.0) * v / most,
    ];
    let _ = write!(
        page,
        "<h2>{title}</h2><p>{about}, against items.</p><svg width=\"{WIDTH}\" height=\"{HEIGHT}\">\
         <text x=\"4\" y=\"{:.0}\">{}</text><text x=\"4\" y=\"{:.0}\">0</text><text x=\"{:.0}\" y=\"{:.0}\">{items}</text>",
        y(most, most) + 4.0,
        if most <= 1.0 { percent(most) } else { format!("{most:.0}") },
        y(0.0, most) + 4.0,
        WIDTH - 44.0,
        HEIGHT - 6.0,
    );
    if let Some(limit) = limit {
        let at = y(limit, most);
        let _ =
            write!(page, "<line class=\"limit\" x1=\"44\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
    }
    if let Some(change) = replay.change_at {
        let at = x(change as f64, items);
        let _ =
            write!(page, "<line class=\"change\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"8\" y2=\"{HEIGHT}\"/>");
    }
    for run in &replay.runs {
        let points: Vec<String> = run
            .over_time
            .iter()
            .map(|m| format!("{:.1},{:.1}", x(m.at as f64, items), y(value(m), most)))
            .collect();
        let _ = write!(page, "<polyline points=\"{}\"/>", points.join(" "));
    }
    page.push_str("</svg>");
}

fn moves(page: &mut String, runs: &[ReplayRun]) {
    page.push_str(
        "<h2>Levels and alarms</h2><table><tr><th class=\"n\">seed<th class=\"n\">item<th>what<th>by<th>why",
    );
    for run in runs {
        for change in &run.level_changes {
            let _ = write!(
                page,
                "<tr><td class=\"n\">{}<td class=\"n\">{}<td>{} → {}<td>{}<td>{}",
                run.seed,
                change.at,
                change.from,
                change.to,
                escaped(&change.by),
                escaped(&change.reason),
            );
        }
    }
    page.push_str("</table>");
}
