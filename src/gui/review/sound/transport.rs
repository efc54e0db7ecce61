//! Playing: what keys mean for it, and its row below the lanes. The sound itself is the engine's.

use super::super::super::icon::Icon;
use super::super::super::page::Page;
use super::super::super::texts::tr;
use super::super::super::theme::{BODY, NOTE, SPACE, Tokens};
use super::super::super::verbs::Verb;
use super::super::super::widgets::{icon_ui, note};
use super::SoundView;
use super::spans::Stretch;
use crate::domain::MediaHash;
use crate::engine::{PlayRequest, Playing};
use eframe::egui::{self, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

/// Around 1 at index 0.
const SPEEDS: [f64; 6] = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0];
const PLAIN: usize = 2;
/// The level meter begins here.
const METER_DB: f32 = -60.0;
/// Nearer to the end than this, playing begins anew.
const END_SECS: f64 = 0.02;

/// How sounds are played.
#[derive(Clone, Debug)]
pub struct Transport {
    speed: usize,
    is_looped: bool,
    /// What was asked for last, of the item on the screen.
    request: Option<PlayRequest>,
}

impl Default for Transport {
    fn default() -> Self {
        Self { speed: PLAIN, is_looped: false, request: None }
    }
}

impl Transport {
    /// Another item: speed and loop stay.
    pub fn reset(&mut self) {
        self.request = None;
    }

    pub fn has_played(&self) -> bool {
        self.request.is_some()
    }
}

impl SoundView {
    /// What a key does to playing; `highlight` is the stretch that matters most, and is played first.
    pub fn perform_play(
        &mut self,
        verb: Verb,
        page: &mut Page<'_>,
        media: &MediaHash,
        highlight: Option<Stretch>,
    ) {
        let now = page.session.player.now();
        let transport = &mut self.transport;
        match verb {
            Verb::Play if now.is_playing => page.session.player.stop(),
            Verb::Play => {
                let is_first = !transport.has_played();
                let at = highlight.filter(|_| is_first).map_or(self.cursor, |span| span[0]);
                self.play(page, media, at, highlight.filter(|_| self.transport.is_looped));
            }
            Verb::PlayRegion => {
                let Some(placed) = &self.placed else { return };
                let span = highlight.unwrap_or([placed.ruled.start, placed.ruled.end().min(placed.secs)]);
                self.play(page, media, span[0], Some(span));
            }
            Verb::Loop => {
                transport.is_looped = !transport.is_looped;
                let span = highlight.filter(|_| transport.is_looped);
                self.play_on(page, media, &now, span);
            }
            Verb::Slower | Verb::Faster => {
                let by = if verb == Verb::Faster {
                    transport.speed + 1
                } else {
                    transport.speed.saturating_sub(1)
                };
                transport.speed = by.min(SPEEDS.len() - 1);
                let span = self.asked_span();
                self.play_on(page, media, &now, span);
            }
            _ => {}
        }
    }

    /// The same from another moment on, or in another way, while it plays.
    fn play_on(&mut self, page: &mut Page<'_>, media: &MediaHash, now: &Playing, span: Option<Stretch>) {
        if now.is_playing {
            self.play(page, media, self.cursor, span);
        }
    }

    /// A moment was pointed at: a sound that plays goes on from there.
    pub fn seek(&mut self, page: &mut Page<'_>, media: &MediaHash) {
        let now = page.session.player.now();
        let span = self.asked_span().filter(|span| (span[0]..span[1]).contains(&self.cursor));
        self.play_on(page, media, &now, span);
    }

    fn asked_span(&self) -> Option<Stretch> {
        let (request, placed) = (self.transport.request.as_ref()?, self.placed?);
        Some(request.span.map(|frame| frame as f64 / f64::from(placed.rate_hz)))
    }

    fn play(&mut self, page: &mut Page<'_>, media: &MediaHash, at: f64, span: Option<Stretch>) {
        let Some(placed) = &self.placed else { return };
        let review = page.session.plan.review;
        // A region is heard as it was drawn.
        let skips_silence = review.skip_silence && span.is_none();
        let span = span.unwrap_or([0.0, placed.secs]);
        let at = if (span[0]..span[1] - END_SECS).contains(&at) { at } else { span[0] };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
        let frame = |secs: f64| (secs * f64::from(placed.rate_hz)).round().max(0.0) as u64;
        let request = PlayRequest {
            media: media.clone(),
            from: frame(at),
            span: span.map(frame),
            is_looped: self.transport.is_looped,
            speed: SPEEDS[self.transport.speed],
            is_evened: review.even_loudness,
            skips_silence,
        };
        self.cursor = at;
        self.transport.request = Some(request.clone());
        page.session.player.play(request);
    }

    /// Takes the cursor to what is heard.
    pub fn follow_sound(&mut self, ui: &Ui, now: &Playing, media: &MediaHash) {
        let Some(placed) = self.placed.filter(|_| now.media.as_ref() == Some(media)) else { return };
        if let Some(frame) = now.frame.filter(|_| now.is_playing) {
            self.set_cursor(frame / f64::from(placed.rate_hz));
            ui.ctx().request_repaint();
        }
    }

    pub(super) fn transport_ui(&self, ui: &mut Ui, page: &mut Page<'_>, now: &Playing) {
        let t = page.tokens;
        let play = if now.is_playing { Icon::Pause } else { Icon::Play };
        let tools = [
            (Verb::Play, play, now.is_playing),
            (Verb::PlayRegion, Icon::Highlight, false),
            (Verb::Loop, Icon::Loop, self.transport.is_looped),
        ];
        for (verb, icon, is_lit) in tools {
            let name = format!("{} ({})", verb.about().label(), page.cap(verb));
            if icon_ui(ui, icon, &name, is_lit).on_hover_text(verb.about().hint()).clicked() {
                page.verbs.push(verb);
            }
        }
        ui.add_space(SPACE[1]);
        let speed = format!("{} ×", SPEEDS[self.transport.speed]);
        let button = egui::Button::new(RichText::new(speed).size(BODY)).frame(false);
        let hint = format!(
            "{} {} · {} {}",
            page.cap(Verb::Slower),
            tr("slower"),
            page.cap(Verb::Faster),
            tr("faster")
        );
        let pressed = ui.add_sized(vec2(60.0, 40.0), button).on_hover_text(hint);
        if pressed.clicked() {
            page.verbs.push(Verb::Faster);
        } else if pressed.secondary_clicked() {
            page.verbs.push(Verb::Slower);
        }
        meter_ui(ui, now.peak, t);
        let text = match (&now.trouble, now.gain_db) {
            (Some(trouble), _) => trouble.clone(),
            (None, gain) if gain.abs() >= 0.5 => format!("{gain:+.0} dB {}", tr("for listening")),
            _ => String::new(),
        };
        if !text.is_empty() {
            ui.label(note(text, t));
        }
    }
}

/// The highest sample of both sides around now, in decibels of full scale.
fn meter_ui(ui: &mut Ui, peak: [f32; 2], t: Tokens) {
    let (rect, response) = ui.allocate_exact_size(vec2(132.0, 40.0), Sense::hover());
    let db = peak.map(|peak| 20.0 * peak.max(1e-6).log10());
    let spoken = format!("{} {:.0} dB", tr("Level"), db[0].max(db[1]).max(METER_DB));
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, &spoken));
    let share = |db: f32| ((db - METER_DB) / -METER_DB).clamp(0.0, 1.0);
    for (side, db) in db.into_iter().enumerate() {
        let top = rect.top() + 8.0 + 8.0 * side as f32;
        let bar = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), 6.0));
        ui.painter().rect_filled(bar, 1.0, t.background[3]);
        let color = if db > -0.5 { t.stop } else { t.text[1] };
        ui.painter().rect_filled(bar.with_max_x(bar.left() + bar.width() * share(db)), 1.0, color);
    }
    for mark in [-60, -40, -20, 0_i16] {
        let x = rect.left() + rect.width() * share(f32::from(mark));
        let y = rect.top() + 24.0;
        ui.painter().vline(x, y..=y + 3.0, Stroke::new(1.0, t.text[2]));
        let anchor = match mark {
            -60 => egui::Align2::LEFT_TOP,
            0 => egui::Align2::RIGHT_TOP,
            _ => egui::Align2::CENTER_TOP,
        };
        let text = if mark == 0 { "0 dB".to_owned() } else { mark.to_string() };
        ui.painter().text(pos2(x, y + 3.0), anchor, text, egui::FontId::proportional(NOTE - 2.0), t.text[2]);
    }
}
