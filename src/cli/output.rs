//! Printing: one JSON document for programs, or the same as readable lines for people; progress
//! on standard error.

use crate::engine::{EngineError, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;

/// Standard output may be closed (`| head`); that is no error of ours.
pub fn print(value: &Value, json: bool) {
    let text = if json { format!("{value:#}") } else { readable(value) };
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Tells why a page is not there: the figures of hours, which are printed next, must not be lost for it.
pub fn warn_of<T>(page: Result<T, EngineError>) {
    if let Err(error) = page {
        eprintln!("warning: the page was not written: {error}");
    }
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
                if let Some(short) = inline(value) {
                    let _ = writeln!(text, "{indent}{key}: {short}");
                } else {
                    let _ = writeln!(text, "{indent}{key}:");
                    lines(text, value, depth + 1);
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                if let Some(short) = inline(value) {
                    let _ = writeln!(text, "{indent}- {short}");
                } else {
                    let _ = writeln!(text, "{indent}-");
                    lines(text, value, depth + 1);
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

/// A training's progress: a bar on a terminal, else one line an epoch.
pub struct Training {
    bar: ProgressBar,
    epoch: usize,
}

impl Training {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template("training {bar:30} {msg}") {
            bar.set_style(style);
        }
        Self { bar, epoch: 0 }
    }

    /// `of` names the training where there are several.
    pub fn show(&mut self, of: &str, progress: &Progress) {
        let text = format!("{of}{}", training_text(progress));
        if self.bar.is_hidden() && progress.epoch != self.epoch {
            self.epoch = progress.epoch;
            eprintln!("{text}");
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1000")]
        self.bar.set_position((progress.done.clamp(0.0, 1.0) * 1000.0) as u64);
        self.bar.set_message(text);
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn training_text(progress: &Progress) -> String {
    if let Some([so_far, all]) = progress.loaded {
        return format!("{so_far} of {all} items read");
    }
    let mut text = format!("epoch {}", progress.epoch);
    if let Some(epochs) = progress.epochs {
        let _ = write!(text, " of {epochs}");
    }
    let _ = write!(text, ", loss {:.3}", progress.loss);
    if let Some(now) = progress.validation {
        let _ = write!(text, ", validation {now:.3}");
    }
    if let Some(kept) = progress.kept.filter(|kept| progress.validation != Some(*kept)) {
        let _ = write!(text, " (kept: {kept:.3})");
    }
    if let Some(left) = progress.seconds_left {
        let _ = write!(
            text,
            ", {} left",
            indicatif::HumanDuration(std::time::Duration::from_secs_f64(left.max(0.0)))
        );
    }
    text
}
