//! Above and below the lanes: what is looked at and how, and the tools for regions.

use super::super::super::icon::Icon;
use super::super::super::page::Page;
use super::super::super::texts::tr;
use super::super::super::theme::{SECONDARY, SPACE};
use super::super::super::verbs::Verb;
use super::super::super::widgets::{chip_ui, icon_ui, secondary};
use super::super::ReviewPage;
use super::Placed;
use super::spans::SpanTool;
use crate::engine::{Card, Playing};
use eframe::egui::{Align, Layout, Rect, RichText, Sense, Ui, UiBuilder, vec2};

impl ReviewPage {
    pub(super) fn sound_chips_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card, whole: Rect) {
        let t = page.tokens;
        let line = Rect::from_min_size(
            whole.min + vec2(SPACE[2], SPACE[2]),
            vec2(whole.width() - 2.0 * SPACE[2], 34.0),
        );
        let layout = Layout::left_to_right(Align::Center);
        ui.scope_builder(UiBuilder::new().max_rect(line).layout(layout), |ui| {
            self.item_chips_ui(ui, page, card);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let text = |text: String| RichText::new(text).size(SECONDARY).color(t.text[1]);
                if let Some(placed) = &self.sound.placed {
                    let shown = placed.ruled.end() - placed.ruled.start;
                    let zoom = if self.sound.axis.is_fit() {
                        format!("{} {}", tr("Fit"), secs_text(placed.secs))
                    } else {
                        format!("{} {} {}", secs_text(shown), tr("of"), secs_text(placed.secs))
                    };
                    if chip_ui(ui, text(zoom)).interact(Sense::click()).clicked() {
                        page.verbs.push(Verb::Fit);
                    }
                    chip_ui(ui, text(rate_text(placed.rate_hz)));
                }
                chip_ui(ui, text(self.sound.look.text()));
            });
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
            ui.add_space(SPACE[3]);
            self.span_tools_ui(ui, page);
        });
    }

    fn span_tools_ui(&self, ui: &mut Ui, page: &mut Page<'_>) {
        let Some(editor) = self.sound.editor.as_ref().filter(|_| self.is_editing) else { return };
        let tools = [
            (Verb::ToolSelect, Icon::Pointer, Some(SpanTool::Select)),
            (Verb::ToolBox, Icon::Box, Some(SpanTool::Draw)),
            (Verb::ToolCut, Icon::Cut, None),
            (Verb::Merge, Icon::Merge, None),
            (Verb::DeleteRegion, Icon::Delete, None),
        ];
        for (verb, icon, tool) in tools {
            let name = format!("{} ({})", verb.about().label(), page.cap(verb));
            let response = icon_ui(ui, icon, &name, tool == Some(editor.tool));
            if response.on_hover_text(verb.about().hint()).clicked() {
                page.verbs.push(verb);
            }
        }
        ui.add_space(SPACE[1]);
        let words = format!(
            "{} {} · {} {} · {} {}",
            editor.regions.len(),
            tr("regions"),
            tr("new ones are"),
            editor.class,
            page.cap(Verb::Keep),
            tr("ends")
        );
        ui.label(secondary(words, page.tokens));
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
        secs => super::axis::moment(secs, 1.0),
    }
}
