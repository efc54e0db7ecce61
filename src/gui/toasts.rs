//! Short news at the edge of the window. They go by themselves; troubles stay until a key closes them or the
//! page that they cover is left.

use super::icon::Icon;
use super::theme::{RADIUS_CONTROL, SECONDARY, SPACE, tokens};
use super::widgets::icon_ui;
use eframe::egui::{self, Align2, RichText, Stroke, vec2};
use std::time::{Duration, Instant};

/// Long enough to read a line.
const NOTE_FOR: Duration = Duration::from_secs(4);
/// More would hide what they are about.
const SHOWN_MAX: usize = 4;

struct Toast {
    text: String,
    is_trouble: bool,
    since: Instant,
}

impl Toast {
    fn is_read(&self) -> bool {
        self.since.elapsed() >= NOTE_FOR
    }
}

#[derive(Default)]
pub struct Toasts {
    toasts: Vec<Toast>,
}

impl Toasts {
    pub fn note(&mut self, text: impl Into<String>) {
        self.push(text.into(), false);
    }

    pub fn trouble(&mut self, text: impl Into<String>) {
        self.push(text.into(), true);
    }

    fn push(&mut self, text: String, is_trouble: bool) {
        self.toasts.retain(|toast| toast.text != text);
        if self.toasts.len() == SHOWN_MAX {
            self.toasts.remove(0);
        }
        self.toasts.push(Toast { text, is_trouble, since: Instant::now() });
    }

    /// Escape closes all troubles, whatever else it means: nobody is to press it twice for them.
    pub fn close_by_key(&mut self, ctx: &egui::Context) {
        if ctx.input(|input| input.key_pressed(egui::Key::Escape)) {
            self.toasts.retain(|toast| !toast.is_trouble);
        }
    }

    /// The trouble of one page does not cover the next; one that has just come is still to be read.
    pub fn turn_page(&mut self) {
        self.toasts.retain(|toast| !toast.is_read());
    }

    pub fn ui(&mut self, ctx: &egui::Context) {
        self.toasts.retain(|toast| toast.is_trouble || !toast.is_read());
        if self.toasts.is_empty() {
            return;
        }
        ctx.request_repaint_after(Duration::from_millis(500));
        let mut closed = None;
        egui::Area::new(egui::Id::unique("toasts"))
            .anchor(Align2::CENTER_BOTTOM, vec2(0.0, -48.0))
            .order(egui::Order::Foreground)
            .show(ctx, |ui| {
                let t = tokens(ui);
                for (at, toast) in self.toasts.iter().enumerate() {
                    let edge = if toast.is_trouble { t.stop } else { t.line };
                    egui::Frame::new()
                        .fill(t.background[2])
                        .stroke(Stroke::new(1.0, edge))
                        .corner_radius(RADIUS_CONTROL)
                        .inner_margin(SPACE[2])
                        .show(ui, |ui| {
                            ui.set_max_width(560.0);
                            ui.horizontal(|ui| {
                                if toast.is_trouble {
                                    super::widgets::Mark::Ask.show_ui(ui);
                                }
                                ui.label(RichText::new(&toast.text).size(SECONDARY).color(t.text[0]));
                                if toast.is_trouble
                                    && icon_ui(ui, Icon::Close, "Close this message (Esc)", false).clicked()
                                {
                                    closed = Some(at);
                                }
                            });
                        });
                }
            });
        if let Some(at) = closed {
            self.toasts.remove(at);
        }
    }

    /// For tests and screen readers.
    pub fn newest(&self) -> Option<&str> {
        self.toasts.last().map(|toast| toast.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_that_was_read_does_not_follow_to_the_next_page() {
        let mut toasts = Toasts::default();
        toasts.trouble("read");
        toasts.toasts[0].since = Instant::now().checked_sub(NOTE_FOR).unwrap();
        toasts.trouble("new");
        toasts.turn_page();
        assert_eq!(toasts.toasts.iter().map(|toast| toast.text.as_str()).collect::<Vec<_>>(), ["new"]);
    }
}
