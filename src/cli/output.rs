//! Printing: one JSON document for programs, or the same as readable lines for people; progress
//! on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;

/// Standard output may be closed (`| head`); that is no error of ours.
pub fn print(value: &Value, json: bool) {
    let text = if json { format!("{value:#}") } else { readable(value) };
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Objects as indented `key: value` lines, lists with a dash, numbers rounded for reading.
fn readable(value: &Value) -> String {
    let mut text = String::new();
    lines(&mut text, value, 0);
    text
}

fn lines(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('_', " ");
                match inline(value) {
                    Some(short) => drop(writeln!(text, "{indent}{key}: {short}")),
                    None => {
                        let _ = writeln!(text, "{indent}{key}:");
                        lines(text, value, depth + 1);
                    }
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                match inline(value) {
                    Some(short) => drop(writeln!(text, "{indent}- {short}")),
                    None => {
                        let _ = writeln!(text, "{indent}-");
                        lines(text, value, depth + 1);
                    }
                }
            }
        }
        other => drop(writeln!(text, "{indent}{}", inline(other).unwrap_or_default())),
    }
}

/// What fits on one line: scalars, empty and short lists of scalars.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("–".into()),
        Value::Bool(b) => Some(if *b { "yes" } else { "no" }.into()),
        Value::Number(n) => Some(match n.as_f64() {
            Some(f) if n.is_f64() => format!("{}", (f * 1e4).round() / 1e4),
            _ => n.to_string(),
        }),
        Value::String(s) => Some(s.clone()),
        Value::Array(list) if list.is_empty() => Some("none".into()),
        Value::Array(_) => None,
        Value::Object(map) if map.is_empty() => Some("none".into()),
        Value::Object(map) => {
            let parts: Option<Vec<String>> = map
                .iter()
                .map(|(key, value)| match value {
                    Value::Object(_) | Value::Array(_) => None,
                    scalar => inline(scalar).map(|short| format!("{} {short}", key.replace('_', " "))),
                })
                .collect();
            parts.map(|parts| parts.join(", ")).filter(|line| line.chars().count() <= 100)
        }
    }
}

/// A bar with counts and the time left; silent where standard error is no terminal.
pub fn bar(what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {eta} left") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}
