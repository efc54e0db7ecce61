//! How pages lay out what they hold: fields as high as the buttons beside them, figures and halves that go
//! below each other where a window is narrow.

use super::theme::{SPACE, tokens};
use super::widgets::figure_ui;
use eframe::egui::{Align2, Key, Response, Role, TextEdit, Ui, WidgetInfo, vec2};

/// Of a field, as a button's.
const FIELD_HEIGHT: f32 = 40.0;
/// A figure's card needs so much.
const FIGURE_WIDTH: f32 = 190.0;
/// A half that holds a table needs so much.
const HALF_WIDTH: f32 = 460.0;

/// A field of one line, known by its name to those who do not see it.
pub(super) fn field_ui(ui: &mut Ui, name: &str, hint: &str, text: &mut String, width: f32) -> Response {
    let field = TextEdit::singleline(text)
        .hint_text(hint)
        .desired_width(width.min(ui.available_width()))
        .margin(vec2(8.0, 4.0))
        .min_size(vec2(0.0, FIELD_HEIGHT))
        .align(Align2::LEFT_CENTER);
    let response = ui.add(field);
    response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
    response
}

/// Whether a person has just ended a field with the enter key.
pub(super) fn is_entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// Figures with their titles and what is known of them, as many in a row as have room.
pub(super) fn figures_ui(ui: &mut Ui, figures: &[[&str; 3]]) {
    let color = tokens(ui).text[0];
    let in_row = if ui.available_width() < FIGURE_WIDTH * figures.len() as f32 { 2 } else { figures.len() };
    for (number, row) in figures.chunks(in_row.max(1)).enumerate() {
        if number > 0 {
            ui.add_space(SPACE[1]);
        }
        ui.columns(in_row, |columns| {
            for (column, [title, figure, about]) in columns.iter_mut().zip(row) {
                figure_ui(column, title, figure, about, color);
            }
        });
    }
}

/// Two parts beside each other; one below the other where the room is too narrow for both.
pub(super) fn halves_ui(ui: &mut Ui, left: impl FnOnce(&mut Ui), right: impl FnOnce(&mut Ui)) {
    if ui.available_width() < 2.0 * HALF_WIDTH {
        left(ui);
        ui.add_space(SPACE[1]);
        right(ui);
        return;
    }
    ui.columns(2, |columns| {
        if let [first, second] = columns {
            left(first);
            right(second);
        }
    });
}
