//! Above and below the lanes: what is looked at and how, and the tools for regions.

use super::super::super::album::Shown;
use super::super::super::icon::Icon;
use super::super::super::page::Page;
use super::super::super::texts::tr;
use super::super::super::theme::{SECONDARY, SPACE};
use super::super::super::verbs::Verb;
use super::super::super::widgets::{chip_button_ui, chip_ui, note, percent};
use super::super::ReviewPage;
use super::super::edit_bar::tool_ui;
use super::spans::SpanTool;
use super::{Placed, transport};
use crate::engine::{Card, Playing};
use eframe::egui::{Align, Label, Layout, Rect, RichText, Ui, UiBuilder, vec2};

impl ReviewPage {
    pub(super) fn sound_chips_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card, whole: Rect) {
        let t = page.tokens;
        let line = Rect::from_min_size(
            whole.min + vec2(SPACE[2], SPACE[2]),
            vec2(whole.width() - 2.0 * SPACE[2], 34.0),
        );
        let layout = Layout::right_to_left(Align::Center);
        ui.scope_builder(UiBuilder::new().max_rect(line).layout(layout), |ui| {
            let text = |text: String| RichText::new(text).size(SECONDARY).color(t.text[1]);
            if let Some(placed) = &self.sound.placed {
                let shown = placed.ruled.end() - placed.ruled.start;
                let zoom = if self.sound.axis.is_fit() {
                    format!("{} {}", tr("Fit"), secs_text(placed.secs))
                } else {
                    format!("{} {} {}", secs_text(shown), tr("of"), secs_text(placed.secs))
                };
                if chip_button_ui(ui, text(zoom)).on_hover_text(Verb::Fit.about().hint()).clicked() {
                    page.verbs.push(Verb::Fit);
                }
                chip_ui(ui, text(rate_text(placed.rate_hz)));
            }
            chip_ui(ui, text(self.sound.look.text()));
            if let Shown::Ready(head) = page.session.recordings.head(&card.item.media) {
                let known = head.peaks.share();
                if known < 1.0 {
                    chip_ui(ui, text(format!("{} {}", tr("waveform"), percent(known))));
                }
            }
            self.item_chips_ui(ui, page, card);
        });
    }

    pub(super) fn sound_tools_ui(
        &mut self,
        ui: &mut Ui,
        page: &mut Page<'_>,
        placed: &Placed,
        now: &Playing,
    ) {
        let layout = Layout::left_to_right(Align::Center);
        ui.scope_builder(UiBuilder::new().max_rect(placed.tools).layout(layout), |ui| {
            ui.spacing_mut().item_spacing.x = SPACE[0];
            self.sound.transport_ui(ui, page, now);
            ui.add_space(SPACE[1]);
            self.span_tools_ui(ui, page);
            let words = transport::news(now);
            // What comes and goes takes only the room that nothing else needs.
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if !words.is_empty() {
                    ui.add(Label::new(note(&words, page.tokens)).truncate()).on_hover_text(&words);
                }
            });
        });
    }

    fn span_tools_ui(&self, ui: &mut Ui, page: &mut Page<'_>) {
        let Some(editor) = self.spans().filter(|_| self.is_editing) else { return };
        let tools = [
            (Verb::ToolSelect, Icon::Pointer, Some(SpanTool::Select)),
            (Verb::ToolBox, Icon::Box, Some(SpanTool::Draw)),
            (Verb::ToolCut, Icon::Cut, None),
            (Verb::Merge, Icon::Merge, None),
            (Verb::DeleteRegion, Icon::Delete, None),
        ];
        for (verb, icon, tool) in tools {
            tool_ui(ui, page, verb, icon, tool == Some(editor.tool));
        }
    }
}

/// "44.1 kHz".
fn rate_text(rate_hz: u32) -> String {
    let khz = format!("{:.2}", f64::from(rate_hz) / 1e3);
    format!("{} kHz", khz.trim_end_matches('0').trim_end_matches('.'))
}

/// "12 ms", "3.25 s", "2:03:04".
fn secs_text(secs: f64) -> String {
    match secs {
        secs if secs < 0.1 => format!("{:.1} ms", secs * 1e3),
        secs if secs < 60.0 => format!("{secs:.2} s"),
        secs => super::axis::spoken(secs, 1.0),
    }
}
