//! Playing: what keys mean for it, and its row below the lanes. The sound itself is the engine's.

use super::super::super::icon::Icon;
use super::super::super::meter::meter_ui;
use super::super::super::page::Page;
use super::super::super::texts::tr;
use super::super::super::theme::BODY;
use super::super::super::verbs::Verb;
use super::super::edit_bar::tool_ui;
use super::spans::Stretch;
use super::{Placed, SoundView};
use crate::domain::MediaHash;
use crate::engine::{PlayRequest, Playing};
use eframe::egui::{self, RichText, Role, Ui, WidgetInfo, vec2};

/// Around 1 at index 0.
const SPEEDS: [f64; 6] = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0];
const PLAIN: usize = 2;
/// So much room has the speed, and the meter.
const SPEED_WIDTH: f32 = 60.0;
const METER_WIDTH: f32 = 112.0;
/// Beginnings of what the engine says of devices, in the order of their translations.
const TROUBLES: [&str; 5] = [
    "No sound device: sounds are seen, but not heard",
    "This build has no sound (feature audio)",
    "The sound device does not begin",
    "The sound device is gone",
    "The sound device cannot be opened",
];
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

    #[cfg(test)]
    pub fn has_played(&self) -> bool {
        self.request.is_some()
    }

    pub fn take_played(&mut self) -> bool {
        self.request.take().is_some()
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
                let at = self.begin(&now, media, highlight);
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

    /// Where playing begins: where the hand has put the cursor, else anew after the end, else where the
    /// first look should go.
    fn begin(&self, now: &Playing, media: &MediaHash, highlight: Option<Stretch>) -> f64 {
        let of_all =
            |request: &PlayRequest| self.placed.is_some_and(|p| request.span == [0, p.frame(p.secs)]);
        let is_over = now.is_over && now.media.as_ref() == Some(media);
        match &self.transport.request {
            _ if self.is_cursor_set => self.cursor,
            None => highlight.map_or(self.cursor, |span| span[0]),
            Some(request) if is_over && of_all(request) => 0.0,
            Some(_) => self.cursor,
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
        let request = PlayRequest {
            media: media.clone(),
            from: placed.frame(at),
            span: span.map(|secs| placed.frame(secs)),
            is_looped: self.transport.is_looped,
            speed: SPEEDS[self.transport.speed],
            is_evened: review.even_loudness,
            skips_silence,
        };
        self.cursor = at;
        (self.is_cursor_set, self.is_view_set) = (false, false);
        self.transport.request = Some(request.clone());
        page.session.player.play(request);
    }

    /// Takes the cursor to what is heard, and the view with it unless the hand has moved that.
    pub fn follow_sound(&mut self, ui: &Ui, now: &Playing, media: &MediaHash) {
        let Some(placed) = self.placed.filter(|_| now.media.as_ref() == Some(media)) else { return };
        let Some(frame) = now.frame.filter(|_| now.is_playing) else { return };
        self.take_cursor_to(&placed, frame, ui.input(|input| input.pointer.any_down()));
        ui.ctx().request_repaint();
    }

    fn take_cursor_to(&mut self, placed: &Placed, frame: f64, is_pointer_down: bool) {
        self.cursor = (frame / f64::from(placed.rate_hz)).clamp(0.0, placed.secs);
        self.is_cursor_set = false;
        if !self.is_view_set && !is_pointer_down {
            self.axis.follow(placed.ruled, self.cursor, placed.secs);
        }
    }

    pub(super) fn transport_ui(&self, ui: &mut Ui, page: &mut Page<'_>, now: &Playing) {
        let play = if now.is_playing { Icon::Pause } else { Icon::Play };
        tool_ui(ui, page, Verb::Play, play, now.is_playing);
        tool_ui(ui, page, Verb::PlayRegion, Icon::Highlight, false);
        tool_ui(ui, page, Verb::Loop, Icon::Loop, self.transport.is_looped);
        let speed = format!("{} ×", SPEEDS[self.transport.speed]);
        let button = egui::Button::new(RichText::new(&speed).size(BODY)).frame(false);
        let hint = format!(
            "{} {} · {} {}",
            page.cap(Verb::Slower),
            tr("slower"),
            page.cap(Verb::Faster),
            tr("faster")
        );
        let pressed = ui.add_sized(vec2(SPEED_WIDTH, 40.0), button);
        pressed.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{} {speed}", tr("Speed"))));
        let pressed = pressed.on_hover_text(hint);
        if pressed.clicked() {
            page.verbs.push(Verb::Faster);
        } else if pressed.secondary_clicked() {
            page.verbs.push(Verb::Slower);
        }
        meter_ui(ui, METER_WIDTH, &now.peak, page.tokens);
    }
}

/// What is to be said of listening, if anything.
pub(super) fn news(now: &Playing) -> String {
    match (&now.trouble, now.gain_db) {
        (Some(trouble), _) => trouble_text(trouble),
        (None, gain) if gain.abs() >= 0.5 => format!("{gain:+.0} dB {}", tr("for listening")),
        _ => String::new(),
    }
}

/// The engine knows nothing of the window's language; what follows a colon is the system's own.
fn trouble_text(trouble: &str) -> String {
    let known = [
        tr("No sound device: sounds are seen, but not heard"),
        tr("This build has no sound (feature audio)"),
        tr("The sound device does not begin"),
        tr("The sound device is gone"),
        tr("The sound device cannot be opened"),
    ];
    TROUBLES
        .iter()
        .zip(known)
        .find_map(|(english, here)| Some(format!("{here}{}", trouble.strip_prefix(english)?)))
        .unwrap_or_else(|| trouble.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::TimeAxis;
    use super::*;
    use crate::engine::SpectrumAxis;
    use eframe::egui::{Rect, pos2};

    /// A sound of ten seconds at 1 kHz on the screen.
    fn view() -> SoundView {
        let lane = Rect::from_min_size(pos2(0.0, 0.0), vec2(500.0, 100.0));
        let ruled = TimeAxis::default().ruled(0.0, 500.0, 10.0);
        let bands = SpectrumAxis::new(1000, 1);
        let placed = Placed {
            wave: lane,
            ruler: lane,
            spectrum: lane,
            words: lane,
            tools: lane,
            ruled,
            bands,
            secs: 10.0,
            rate_hz: 1000,
        };
        SoundView { placed: Some(placed), ..SoundView::default() }
    }

    fn asked(media: &MediaHash, span: [u64; 2]) -> PlayRequest {
        let media = media.clone();
        PlayRequest {
            media,
            from: 0,
            span,
            is_looped: false,
            speed: 1.0,
            is_evened: false,
            skips_silence: false,
        }
    }

    #[test]
    fn playing_begins_where_the_hand_was_else_at_the_highlight_and_anew_after_the_end() {
        let media = MediaHash::of(b"sound");
        let mut view = view();
        let silent = Playing::default();
        assert_eq!(view.begin(&silent, &media, Some([4.0, 5.0])), 4.0);
        (view.cursor, view.is_cursor_set) = (2.0, true);
        assert_eq!(view.begin(&silent, &media, Some([4.0, 5.0])), 2.0, "the first sound ignores the click");
        // At twice the speed it ends some way before the end.
        (view.cursor, view.is_cursor_set) = (9.96, false);
        view.transport.request = Some(asked(&media, [0, 10_000]));
        assert_eq!(view.begin(&silent, &media, None), 9.96);
        let over = Playing { media: Some(media.clone()), is_over: true, ..Playing::default() };
        assert_eq!(view.begin(&over, &media, None), 0.0);
        view.transport.request = Some(asked(&media, [9_000, 9_960]));
        assert_eq!(view.begin(&over, &media, None), 9.96, "after a region it goes on");
    }

    #[test]
    fn the_view_goes_with_the_sound_unless_the_hand_holds_or_has_moved_it() {
        let mut view = view();
        let whole = view.placed.unwrap();
        view.axis.zoom(whole.ruled, 10.0, 0.0, 10.0, 1000);
        let placed = Placed { ruled: view.axis.ruled(0.0, 500.0, 10.0), ..whole };
        let start = |view: &SoundView| view.axis.ruled(0.0, 500.0, 10.0).start;
        view.take_cursor_to(&placed, 5_000.0, true);
        assert_eq!((view.cursor, start(&view)), (5.0, 0.0));
        view.is_view_set = true;
        view.take_cursor_to(&placed, 6_000.0, false);
        assert_eq!(start(&view), 0.0);
        view.is_view_set = false;
        view.take_cursor_to(&placed, 7_000.0, false);
        assert!(start(&view) > 6.5);
    }

    #[test]
    fn what_the_device_says_keeps_the_systems_own_words() {
        let gone =
            Playing { trouble: Some("The sound device is gone: unplugged".into()), ..Playing::default() };
        assert_eq!(news(&gone), "The sound device is gone: unplugged");
        assert_eq!(news(&Playing { gain_db: 6.2, ..Playing::default() }), "+6 dB for listening");
        assert_eq!(news(&Playing::default()), "");
    }
}
