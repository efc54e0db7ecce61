//! Long jobs that belong to no page, at the edge of the window: how far, how long still, and an end.

use super::session::Session;
use super::texts::tr;
use super::theme::{RADIUS_CONTROL, SECONDARY, SPACE, tokens};
use super::widgets::{button_ui, progress_ui};
use crate::engine::Task;
use eframe::egui::{self, Align2, Context, RichText, Stroke, Ui, vec2};
use std::time::Duration;

const WIDTH: f32 = 340.0;
/// How often the time left is painted anew.
const REPAINT: Duration = Duration::from_millis(250);

pub fn ui(ctx: &Context, backup: Option<&Task<String>>, session: Option<&Session>) {
    let relabelling = session.and_then(|session| Some((session, session.relabelling?)));
    if backup.is_none() && relabelling.is_none() {
        return;
    }
    ctx.request_repaint_after(REPAINT);
    egui::Area::new(egui::Id::unique("jobs"))
        .anchor(Align2::RIGHT_BOTTOM, vec2(-SPACE[2], -48.0))
        .order(egui::Order::Foreground)
        .show(ctx, |ui| {
            if let Some(task) = backup {
                let progress = task.progress();
                if job_ui(ui, &task.title, progress.share, &progress.what, task.seconds_left()) {
                    task.cancel();
                }
            }
            if let Some((session, job)) = relabelling {
                let what = format!("{} {} {} {}", job.done, tr("of"), job.total, tr("labels"));
                if job_ui(ui, tr("Correcting labels"), Some(job.share()), &what, job.seconds_left()) {
                    session.cancel();
                }
            }
        });
}

/// True when a person ends it.
fn job_ui(ui: &mut Ui, title: &str, share: Option<f64>, what: &str, seconds_left: Option<f64>) -> bool {
    let t = tokens(ui);
    egui::Frame::new()
        .fill(t.background[2])
        .stroke(Stroke::new(1.0, t.line))
        .corner_radius(RADIUS_CONTROL)
        .inner_margin(SPACE[2])
        .show(ui, |ui| {
            ui.set_width(WIDTH);
            ui.label(RichText::new(title).size(SECONDARY).strong().color(t.text[0]));
            progress_ui(ui, share, what, seconds_left);
            button_ui(ui, tr("Cancel"), false).clicked()
        })
        .inner
}
