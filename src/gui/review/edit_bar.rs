//! What an editor shows around its item: buttons of its tools, and a line that says what is being drawn.

use super::super::icon::Icon;
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{SECONDARY, SPACE};
use super::super::verbs::Verb;
use super::super::widgets::{chip_ui, icon_ui};
use super::regions::Regions;
use eframe::egui::{Align2, FontId, Rect, RichText, Ui, UiBuilder, vec2};

/// A tool with its key and hint.
pub fn tool_ui(ui: &mut Ui, page: &mut Page<'_>, verb: Verb, icon: Icon, is_lit: bool) {
    let about = verb.about();
    let name = format!("{} ({})", about.label(), page.cap(verb));
    if icon_ui(ui, icon, &name, is_lit).on_hover_text(about.hint()).clicked() {
        page.verbs.push(verb);
    }
}

/// How many regions there are, and of which class the next one is; at the lower end of `area`.
pub fn edit_chip_ui(ui: &mut Ui, page: &Page<'_>, area: Rect, regions: &Regions, more: &str) {
    let count = regions.list().len();
    let words = format!(
        "{count} {} · {} {}{more} · {} {}",
        if count == 1 { tr("region") } else { tr("regions") },
        tr("new ones are"),
        regions.class,
        page.cap(Verb::Keep),
        tr("ends")
    );
    let ink = page.tokens.text[1];
    let galley = ui.painter().layout_no_wrap(words.clone(), FontId::proportional(SECONDARY), ink);
    let room = galley.size() + vec2(24.0, 14.0);
    let place = Align2::CENTER_BOTTOM.anchor_size(area.center_bottom() - vec2(0.0, SPACE[2]), room);
    ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
        chip_ui(ui, RichText::new(words).size(SECONDARY).color(ink));
    });
}
