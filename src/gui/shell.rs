//! What frames every page: the top bar with STOP, the rail, the line at the bottom, the palette and the
//! key sheet.

use super::icon::Icon;
use super::page::Page;
use super::texts::tr;
use super::theme::{BODY, NOTE, RADIUS_CONTROL, SECONDARY, SPACE, TITLE, Tokens, tokens};
use super::verbs::{Group, Keymap, TABLE, Verb};
use super::widgets::{Face, cap_ui, focus_ring, modal_ui, note, percent, row_ui, secondary};
use crate::domain::{Level, MediaKind, Task};
use eframe::egui::{
    self, Align, Align2, Color32, FontId, Layout, Rect, RichText, Role, ScrollArea, Sense, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Review,
    Line,
    Labels,
    Models,
    Promise,
    Settings,
}

impl Place {
    pub const ALL: [(Self, Verb, Icon); 6] = [
        (Self::Review, Verb::PageReview, Icon::Review),
        (Self::Line, Verb::PageLine, Icon::Line),
        (Self::Labels, Verb::PageLabels, Icon::Labels),
        (Self::Models, Verb::PageModels, Icon::Models),
        (Self::Promise, Verb::PagePromise, Icon::Promise),
        (Self::Settings, Verb::PageSettings, Icon::Settings),
    ];
}

pub const RAIL_WIDTH: f32 = 84.0;
const TOP_HEIGHT: f32 = 56.0;

/// Line, level, promise, automation, person, STOP: the same on every page.
pub fn top_bar_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let frame = egui::Frame::new().fill(t.background[1]).inner_margin(egui::Margin::symmetric(16, 6));
    egui::Panel::top("top").exact_size(TOP_HEIGHT).frame(frame).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.set_max_width(220.0);
                ui.add(
                    egui::Label::new(RichText::new(&page.session.plan.name).size(TITLE).strong()).truncate(),
                );
                let folder = page.session.folder.file_name().map(|name| name.to_string_lossy().into_owned());
                ui.add(egui::Label::new(note(folder.unwrap_or_default(), t)).truncate());
            });
            ui.add_space(SPACE[1]);
            levels_ui(ui, page);
            let room = ui.available_width();
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                stop_ui(ui, page);
                if room > 420.0 {
                    let reviewer =
                        page.session.board.as_ref().map(|board| board.reviewer.clone()).unwrap_or_default();
                    super::widgets::chip_ui(ui, secondary(reviewer, t))
                        .on_hover_text(tr("Who answers; change it under Settings"));
                }
                lights_ui(ui, page);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let tallies = page.session.station.tallies;
                    if let Some(rate) = tallies.automation_rate() {
                        let figure = format!("{}, n = {}", percent(rate), tallies.inspections);
                        figure_ui(ui, tr("Without a person"), &figure);
                    }
                    promise_ui(ui, page);
                });
            });
        });
    });
}

/// As narrow as it can be; what does not fit is told on hover.
fn figure_ui(ui: &mut Ui, what: &str, figure: &str) {
    let t = tokens(ui);
    ui.add_space(SPACE[1]);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.add_space(SPACE[0]);
        ui.add(egui::Label::new(note(what, t)).truncate());
        ui.add(egui::Label::new(RichText::new(figure).size(SECONDARY).strong()).truncate());
    });
}

/// What the plan promises.
fn promise_ui(ui: &mut Ui, page: &Page<'_>) {
    let promise = &page.session.plan.promise;
    let limits = [
        (tr("outgoing defects"), promise.outgoing),
        (tr("misses"), promise.miss),
        (tr("overkill"), promise.overkill),
        (tr("errors"), promise.error),
    ];
    let words: Vec<String> = limits
        .iter()
        .filter_map(|(name, limit)| {
            let limit = (*limit)?;
            Some(format!(
                "{name} ≤ {:.1} % ({:.0} %)",
                limit.limit.get() * 100.0,
                limit.confidence.get() * 100.0
            ))
        })
        .collect();
    let classes = Some(promise.class.len()).filter(|count| *count > 0);
    let by_class = classes.map(|count| format!("+ {count} {}", tr("by class")));
    let words: Vec<String> = words.into_iter().chain(by_class).collect();
    if !words.is_empty() {
        figure_ui(ui, tr("Promise"), &words.join(", "));
    }
}

fn levels_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let in_force = page.session.station.level;
    egui::Frame::new().stroke(Stroke::new(1.0, t.line)).corner_radius(RADIUS_CONTROL).show(ui, |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        for level in Level::ALL {
            let is_in_force = in_force == Some(level);
            let name = capital(level.as_str());
            let size = vec2(if is_in_force { 74.0 } else { 66.0 }, 34.0);
            let (rect, response) = ui.allocate_exact_size(size, Sense::click());
            let spoken = format!("{} {name}", tr("Level"));
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_in_force, &spoken));
            if is_in_force || response.hovered() {
                ui.painter().rect_filled(rect, RADIUS_CONTROL, t.background[3]);
            }
            focus_ring(ui, &response, rect.shrink(4.0));
            let color = if is_in_force { t.text[0] } else { t.text[2] };
            ui.painter().text(
                rect.center(),
                Align2::CENTER_CENTER,
                &name,
                FontId::proportional(SECONDARY),
                color,
            );
            let hint = if is_in_force {
                tr("The level in force")
            } else {
                tr("Change to this level, where the evidence supports it")
            };
            if response.on_hover_text(hint).clicked() && !is_in_force {
                page.verbs.push(Verb::Level(level));
            }
        }
    });
}

pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn stop_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let about = Verb::Stop.about();
    let stop = egui::Button::new(RichText::new(about.label()).size(TITLE).strong().color(t.on_stop))
        .fill(t.stop)
        .min_size(vec2(104.0, 42.0));
    let response = ui.add(stop);
    focus_ring(ui, &response, response.rect);
    if response.on_hover_text(format!("{} ({})", about.hint(), page.cap(Verb::Stop))).clicked() {
        page.verbs.push(Verb::Stop);
    }
}

/// Two lights: how the station fares, and whether it runs here. What is not well is named beside.
fn lights_ui(ui: &mut Ui, page: &Page<'_>) {
    let t = page.tokens;
    let station = &page.session.station;
    let is_slow =
        station.latency_ms.n > 0 && station.latency_ms.p99 > page.session.plan.budget.latency_ms_p99;
    let (health, word, why) = match &station.trouble {
        _ if !station.alarms.is_empty() => {
            let texts: Vec<&str> = station.alarms.iter().map(|(_, alarm)| alarm.text.as_str()).collect();
            (t.stop, tr("Alarm"), texts.join("; "))
        }
        Some(trouble) => (t.stop, tr("Trouble"), trouble.clone()),
        None if station.is_paused => (t.review, tr("Paused"), tr("The line pauses").to_owned()),
        None if is_slow => (t.review, tr("Slow"), tr("Slower than the plan's budget").to_owned()),
        None => (t.pass, "", tr("All is well").to_owned()),
    };
    light_ui(ui, tr("Health"), health, word, &why);
    match &station.no_station {
        Some(why) => light_ui(ui, tr("Station"), t.review, tr("Not here"), why),
        None => light_ui(ui, tr("Station"), t.pass, "", tr("The station runs in this window")),
    }
}

fn light_ui(ui: &mut Ui, name: &str, color: Color32, word: &str, about: &str) {
    let t = tokens(ui);
    if !word.is_empty() {
        ui.label(RichText::new(word).size(SECONDARY).color(color)).on_hover_text(about);
    }
    let (rect, response) = ui.allocate_exact_size(vec2(18.0, 34.0), Sense::hover());
    let words = format!("{name}: {about}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    if color == t.pass {
        ui.painter().circle_filled(rect.center(), 5.0, color);
    } else {
        // Not by colour alone: what is not well is a diamond.
        super::widgets::Mark::Ask.paint(ui.painter(), rect.center(), Tokens { review: color, ..t });
    }
    response.on_hover_text(words);
}

pub fn rail_ui(ui: &mut Ui, page: &mut Page<'_>, now: Place) {
    let t = page.tokens;
    let frame = egui::Frame::new().fill(t.background[1]);
    egui::Panel::left("rail").exact_size(RAIL_WIDTH).resizable(false).frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.add_space(SPACE[1]);
        let waiting = page.session.board.as_ref().map_or(0, |board| board.waiting);
        for (place, verb, icon) in Place::ALL {
            let is_here = place == now;
            let (rect, response) = ui.allocate_exact_size(vec2(RAIL_WIDTH, 68.0), Sense::click());
            let about = verb.about();
            let spoken = if place == Place::Review {
                format!("{}, {waiting} {}", about.label(), tr("waiting"))
            } else {
                about.label().to_owned()
            };
            response.widget_info(|| WidgetInfo::selected(Role::Tab, true, is_here, &spoken));
            if is_here || response.hovered() {
                ui.painter().rect_filled(rect, 0.0, t.background[2]);
            }
            if is_here {
                let bar = Rect::from_min_size(rect.min, vec2(3.0, rect.height()));
                ui.painter().rect_filled(bar, 0.0, t.accent);
            }
            focus_ring(ui, &response, rect.shrink(4.0));
            let color = if is_here { t.text[0] } else { t.text[2] };
            let at = pos2(rect.center().x, rect.top() + 25.0);
            icon.paint(ui.painter(), Rect::from_center_size(at, vec2(24.0, 24.0)), color);
            ui.painter().text(
                pos2(rect.center().x, rect.bottom() - 17.0),
                Align2::CENTER_CENTER,
                about.label(),
                FontId::proportional(NOTE),
                color,
            );
            if place == Place::Review && waiting > 0 {
                badge(ui, pos2(rect.center().x + 18.0, rect.top() + 12.0), waiting, t);
            }
            if response.on_hover_text(format!("{} ({})", about.hint(), page.cap(verb))).clicked() {
                page.verbs.push(verb);
            }
        }
    });
}

fn badge(ui: &Ui, at: egui::Pos2, count: usize, t: Tokens) {
    let text = if count > 999 { format!("{} k", count / 1000) } else { count.to_string() };
    let galley = ui.painter().layout_no_wrap(text, FontId::proportional(11.0), t.background[0]);
    let rect = Rect::from_center_size(at, galley.size() + vec2(10.0, 4.0));
    ui.painter().rect_filled(rect, 8.0, t.review);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, Color32::BLACK);
}

/// The keys of this page, and how the last answer went.
pub fn status_ui(ui: &mut Ui, page: &mut Page<'_>, now: Place) {
    let t = page.tokens;
    let frame = egui::Frame::new().fill(t.background[1]).inner_margin(egui::Margin::symmetric(16, 4));
    egui::Panel::bottom("status").exact_size(32.0).frame(frame).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            let kind = page.card().map(|card| card.item.kind);
            let verbs: &[Verb] = match (now, kind) {
                (Place::Review, Some(MediaKind::Audio)) if page.session.plan.task == Task::Transcribe => {
                    &[Verb::NextWord, Verb::HearWord, Verb::Play, Verb::HideMarks, Verb::Keys, Verb::Palette]
                }
                (Place::Review, Some(MediaKind::Audio)) => &[
                    Verb::Play,
                    Verb::PlayRegion,
                    Verb::ZoomToRegion,
                    Verb::HideMarks,
                    Verb::Keys,
                    Verb::Palette,
                ],
                (Place::Review, _) => {
                    &[Verb::HideMarks, Verb::OneToOne, Verb::Heat, Verb::Keys, Verb::Palette]
                }
                _ => &[Verb::PageReview, Verb::Keys, Verb::Palette],
            };
            for verb in verbs {
                cap_ui(ui, &page.cap(*verb));
                ui.label(note(verb.about().label(), t));
                ui.add_space(SPACE[1]);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let model = page.session.station.model.clone().unwrap_or_else(|| tr("no model").to_owned());
                let latency = page.session.station.latency_ms;
                let speed = if latency.n > 0 { format!(" · {:.0} ms", latency.p50) } else { String::new() };
                ui.label(note(format!("{model}{speed}"), t));
                if let Some(board) = &page.session.board {
                    let mut words = Vec::new();
                    if let Some(ms) = board.saved_ms {
                        words.push(format!("{} {ms:.0} ms", tr("last answer saved in")));
                    }
                    words.push(format!("{} {}", board.pace.answers, tr("in 24 h")));
                    if let Some(median) = board.pace.median_secs {
                        words.push(format!("{} {median:.1} s", tr("median")));
                    }
                    ui.label(note(words.join(" · "), t));
                    ui.add_space(SPACE[2]);
                }
            });
        });
    });
}

/// How a person left the palette.
pub enum Left {
    Chosen(Verb),
    WithNothing,
}

/// Anything by its name.
#[derive(Default)]
pub struct Palette {
    text: String,
    at: usize,
}

impl Palette {
    /// `None` while it stays open.
    pub fn ui(&mut self, ctx: &egui::Context, keymap: &Keymap) -> Option<Left> {
        let words = self.text.to_lowercase();
        let has_all = |text: &str| {
            let text = text.to_lowercase();
            words.split_whitespace().all(|word| text.contains(word))
        };
        let mut found: Vec<_> = TABLE
            .iter()
            .filter(|about| has_all(&format!("{} {} {}", about.label(), about.hint(), about.group.title())))
            .collect();
        // What is called so stands before what is only described so.
        found.sort_by_key(|about| !has_all(about.label()));
        let found: Vec<Verb> = found.into_iter().map(|about| about.verb).collect();
        let (up, down, enter, escape) = ctx.input_mut(|input| {
            let mut take = |key| input.consume_key(egui::Modifiers::NONE, key);
            (
                take(egui::Key::ArrowUp),
                take(egui::Key::ArrowDown),
                take(egui::Key::Enter),
                take(egui::Key::Escape),
            )
        });
        self.at = match (up, down) {
            (true, _) => self.at.saturating_sub(1),
            (_, true) => self.at + 1,
            _ => self.at,
        }
        .min(found.len().saturating_sub(1));
        if escape {
            return Some(Left::WithNothing);
        }
        if enter {
            return Some(found.get(self.at).map_or(Left::WithNothing, |verb| Left::Chosen(*verb)));
        }
        let mut chosen = None;
        let shown = modal_ui(ctx, "palette", 560.0, |ui| {
            let t = tokens(ui);
            let field = egui::TextEdit::singleline(&mut self.text)
                .hint_text(tr("What do you want to do?"))
                .desired_width(f32::INFINITY)
                .font(FontId::proportional(TITLE))
                .margin(vec2(10.0, 10.0));
            let response = ui.add(field);
            response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, tr("Command")));
            response.request_focus();
            ui.add_space(SPACE[1]);
            ScrollArea::vertical().max_height(420.0).min_scrolled_height(420.0).show(ui, |ui| {
                for (i, verb) in found.iter().enumerate() {
                    let about = verb.about();
                    let cap = keymap.chord(*verb).map(super::chord::Chord::cap).unwrap_or_default();
                    let face = Face {
                        about: about.hint(),
                        figure: &cap,
                        is_selected: i == self.at,
                        is_small: true,
                        ..Face::default()
                    };
                    let response = row_ui(ui, ui.available_width() - 4.0, "", about.label(), face);
                    if i == self.at && (up || down) {
                        response.scroll_to_me(None);
                    }
                    if response.clicked() {
                        chosen = Some(Left::Chosen(*verb));
                    }
                }
                if found.is_empty() {
                    ui.label(secondary(tr("Nothing is called that"), t));
                }
            });
        });
        if chosen.is_none() && shown.should_close() { Some(Left::WithNothing) } else { chosen }
    }
}

/// Every key on one sheet; true when it was left.
pub fn keys_ui(ctx: &egui::Context, keymap: &Keymap) -> bool {
    let escape = ctx.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape));
    let room = ctx.content_rect();
    let shown = modal_ui(ctx, "keys", (room.width() - 80.0).min(1120.0), |ui| {
        let t = tokens(ui);
        ui.label(RichText::new(tr("All keys")).size(TITLE).strong());
        ui.label(note(tr("Keys are changed under Settings"), t));
        ScrollArea::vertical()
            .max_height(room.height() - 180.0)
            .min_scrolled_height(room.height() - 180.0)
            .show(ui, |ui| {
                ui.columns(3, |columns| {
                    for group in Group::ALL {
                        let column = match group {
                            Group::Answer | Group::Pages => 0,
                            Group::View => 1,
                            Group::Regions | Group::Program => 2,
                        };
                        let ui = &mut columns[column];
                        ui.add_space(SPACE[1]);
                        ui.label(secondary(group.title(), t).strong());
                        for about in TABLE.iter().filter(|about| about.group == group) {
                            ui.horizontal(|ui| {
                                let cap = keymap
                                    .chord(about.verb)
                                    .map_or_else(|| "–".to_owned(), super::chord::Chord::cap);
                                ui.allocate_ui_with_layout(
                                    vec2(86.0, 24.0),
                                    Layout::left_to_right(Align::Center),
                                    |ui| {
                                        cap_ui(ui, &cap);
                                    },
                                );
                                ui.label(RichText::new(about.label()).size(BODY)).on_hover_text(about.hint());
                            });
                        }
                    }
                });
            });
    });
    escape || shown.should_close()
}
