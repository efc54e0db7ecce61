//! A sound as large as there is room: waveform above, spectrogram below, one time axis for both, regions
//! over them, and the hand on it. Answers and their keys are those of a picture.

mod axis;
mod lanes;
mod spans;
mod spectrum;
mod tools;
mod transport;
mod wave;
mod word_lane;

use super::super::album::Shown;
use super::super::levels::LevelLook;
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{DARK, SPACE};
use super::super::verbs::Verb;
use super::answer::is_revealed;
use super::canvas::message;
use super::drafts::{Draft, Drawn};
use super::edit_bar::edit_chip_ui;
use super::editing::perform_on;
use super::marks::other_regions;
use super::{ReviewPage, camera};
use crate::domain::{MediaHash, Region, Shape};
use crate::engine::{Card, SoundHead, SpectrumAxis};
use axis::{Ruled, TimeAxis};
use eframe::egui::{CursorIcon, PointerButton, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use lanes::Mark;
pub use spans::SpanEditor;
use spans::{Extent, Reach, SpanTool, Spot, Stretch};
use spectrum::Spectrogram;
use std::sync::Arc;
use std::time::Instant;
use transport::Transport;

/// Points of the screen within which an edge is still meant.
const REACH: f32 = 8.0;
/// A shorter stroke is a slip of the hand, and a lower one has no band.
const SLIP: f32 = 4.0;
const BAND_MIN: f32 = 6.0;
/// Points that one key moves the sound, the cursor or a region.
const PAN: f32 = 120.0;
const NUDGE: f32 = 8.0;
/// Room for the chips above, the frequencies beside, the ruler between, what is said and the tools below.
const ABOVE: f32 = 56.0;
const BESIDE: f32 = 62.0;
const RULER: f32 = 26.0;
const WORDS: f32 = 44.0;
const BELOW: f32 = 60.0;
/// The waveform's share of the height.
const WAVE_SHARE: f32 = 0.3;

/// What the eye and the hand need of the sound on the screen.
#[derive(Default)]
pub struct SoundView {
    axis: TimeAxis,
    look: LevelLook,
    /// In seconds.
    cursor: f64,
    /// The hand has put the cursor where it is, or moved the view, since it last played.
    is_cursor_set: bool,
    is_view_set: bool,
    spectrogram: Spectrogram,
    /// Of the sound on the screen, once it is there.
    placed: Option<Placed>,
    /// Of the lanes, of whatever sound was last on the screen.
    width: f32,
    transport: Transport,
    /// The held pointer went down on the spectrogram: it draws bands too.
    is_in_band: bool,
}

/// Where everything lies.
#[derive(Clone, Copy)]
struct Placed {
    wave: Rect,
    ruler: Rect,
    spectrum: Rect,
    /// Empty where nothing is written down.
    words: Rect,
    tools: Rect,
    ruled: Ruled,
    bands: SpectrumAxis,
    secs: f64,
    rate_hz: u32,
}

impl Placed {
    fn lanes(&self) -> Rect {
        self.wave.union(self.spectrum)
    }

    fn frame(&self, secs: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
        let frame = (secs * f64::from(self.rate_hz)).round().max(0.0) as u64;
        frame
    }

    fn hz_at(&self, y: f32) -> f64 {
        self.bands.hz_of(f64::from((y - self.spectrum.top()) / self.spectrum.height()))
    }

    fn y_at(&self, hz: f64) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
        let share = self.bands.share_of(hz) as f32;
        self.spectrum.top() + share * self.spectrum.height()
    }
}

impl SoundView {
    /// Another item begins plain; how levels are looked at stays.
    pub fn reset(&mut self) {
        self.transport.reset();
        *self = Self {
            transport: self.transport.clone(),
            look: self.look,
            spectrogram: std::mem::take(&mut self.spectrogram),
            width: self.width,
            ..Self::default()
        };
    }

    /// An editor of these regions, if it is known how long the sound is.
    pub fn editor(&self, regions: Vec<Region>, class: &str) -> Option<SpanEditor> {
        let Placed { secs, bands, rate_hz, .. } = self.placed?;
        let sample_secs = 1.0 / f64::from(rate_hz.max(1));
        Some(SpanEditor::new(regions, Extent { secs, high_hz: bands.high_hz(), sample_secs }, class))
    }

    /// Whether anything of it was played, so that it may have to stop; asked once.
    pub fn take_played(&mut self) -> bool {
        self.transport.take_played()
    }

    #[cfg(test)]
    pub fn has_played(&self) -> bool {
        self.transport.has_played()
    }

    /// What a key does to the view; `highlight` is the stretch that matters most.
    pub fn perform_view(&mut self, verb: Verb, highlight: Option<Stretch>) {
        match verb {
            Verb::Brighter => LevelLook::step(&mut self.look.gain, 1),
            Verb::Darker => LevelLook::step(&mut self.look.gain, -1),
            Verb::MoreContrast => LevelLook::step(&mut self.look.contrast, 1),
            Verb::LessContrast => LevelLook::step(&mut self.look.contrast, -1),
            Verb::ResetLook => self.look = LevelLook::default(),
            Verb::Fit => (self.axis, self.is_view_set) = (TimeAxis::default(), false),
            Verb::PanLeft | Verb::PanRight | Verb::ZoomToRegion => self.is_view_set = true,
            _ => {}
        }
        let Some(Placed { ruled, secs, rate_hz, .. }) = self.placed else { return };
        // Around the cursor, where it can be seen.
        let is_seen = (ruled.start..=ruled.end()).contains(&self.cursor);
        let at = if is_seen { self.cursor } else { f64::midpoint(ruled.start, ruled.end()) };
        let factor = f64::from(camera::ZOOM_STEP).powi(2);
        match verb {
            Verb::ZoomIn => self.axis.zoom(ruled, factor, at, secs, rate_hz),
            Verb::ZoomOut => self.axis.zoom(ruled, 1.0 / factor, at, secs, rate_hz),
            Verb::PanLeft => self.axis.pan(ruled, PAN, secs),
            Verb::PanRight => self.axis.pan(ruled, -PAN, secs),
            Verb::CursorLeft => self.set_cursor(self.cursor - f64::from(NUDGE) * ruled.secs_per_point),
            Verb::CursorRight => self.set_cursor(self.cursor + f64::from(NUDGE) * ruled.secs_per_point),
            Verb::ZoomToRegion => {
                if let Some(span) = highlight {
                    self.axis.show(ruled, span, secs, rate_hz);
                    (self.cursor, self.is_cursor_set) = (span[0], true);
                }
            }
            _ => {}
        }
    }

    /// By hand, so that it is in sight.
    fn set_cursor(&mut self, secs: f64) {
        let Some(placed) = self.placed else { return };
        (self.cursor, self.is_cursor_set) = (secs.clamp(0.0, placed.secs), true);
        self.axis.follow(placed.ruled, self.cursor, placed.secs);
    }

    /// What a key does to the regions under work.
    pub fn perform_edit(&mut self, verb: Verb, editor: &mut SpanEditor) {
        let Some(Placed { ruled, .. }) = self.placed else { return };
        let cursor = self.cursor;
        let step = f64::from(NUDGE) * ruled.secs_per_point;
        match verb {
            Verb::ToolSelect => editor.tool = SpanTool::Select,
            Verb::ToolBox => {
                if editor.choose_draw() {
                    editor.add(cursor, [ruled.start, ruled.end()]);
                }
            }
            Verb::ToolCut => {
                editor.split_at(cursor);
            }
            Verb::BeginAtCursor => editor.begin_at(cursor),
            Verb::EndAtCursor => editor.end_at(cursor),
            Verb::MoveLeft => editor.shift(-step, 0.0),
            Verb::MoveRight => editor.shift(step, 0.0),
            Verb::MoveUp => editor.shift(0.0, 0.1),
            Verb::MoveDown => editor.shift(0.0, -0.1),
            Verb::Grow => editor.grow(step),
            Verb::Shrink => editor.grow(-step),
            Verb::Merge => editor.merge(),
            verb => perform_on(&mut editor.regions, verb),
        }
        if matches!(verb, Verb::NextRegion | Verb::PreviousRegion)
            && let Some([from, _]) = editor.chosen_span()
        {
            self.set_cursor(from);
        }
    }

    fn spot(&self, placed: &Placed, x: f32, y: f32) -> Spot {
        let secs = placed.ruled.secs_at(x).clamp(0.0, placed.secs);
        let y = y.clamp(placed.spectrum.top(), placed.spectrum.bottom());
        Spot { secs, hz: self.is_in_band.then(|| placed.hz_at(y)) }
    }
}

impl ReviewPage {
    pub(super) fn sound_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card) {
        let whole = ui.max_rect();
        self.area = None;
        ui.painter().rect_filled(whole, 0.0, page.tokens.background[0]);
        let response = ui.allocate_rect(whole, Sense::click_and_drag());
        let shown = page.session.recordings.head(&card.item.media);
        match shown {
            Shown::Ready(head) => self.lanes_ui(ui, page, card, &head, &response),
            Shown::Loading => self.sound.placed = None,
            Shown::Failed(why) => {
                self.sound.placed = None;
                let erased = card.expired.as_ref();
                let text =
                    erased.map_or(why, |rule| format!("{} \"{rule}\"", tr("Erased by the retention rule")));
                message(ui, whole, tr("This sound cannot be shown"), &text, page.tokens);
                self.shown_at.get_or_insert_with(Instant::now);
            }
        }
        let name = format!("{} {}", tr("Sound of unit"), card.item.unit);
        let value = self.spoken_place();
        response.widget_info(|| WidgetInfo {
            current_text_value: Some(value.clone()),
            ..WidgetInfo::labeled(Role::Image, true, &name)
        });
        self.sound_chips_ui(ui, page, card, whole);
    }

    /// Cursor, view and chosen region, for those who do not see them.
    fn spoken_place(&self) -> String {
        let Some(placed) = &self.sound.placed else { return String::new() };
        let at = |secs: f64| axis::spoken(secs, placed.ruled.step() / 100.0);
        let span = |[from, to]: Stretch| format!("{} {} {}", at(from), tr("to"), at(to));
        let view = span([placed.ruled.start, placed.ruled.end().min(placed.secs)]);
        let chosen = self.spans().and_then(SpanEditor::chosen_span);
        let chosen = chosen.map_or_else(String::new, |chosen| format!(", {} {}", tr("region"), span(chosen)));
        format!("{} {}, {} {view}{chosen}", tr("cursor"), at(self.sound.cursor), tr("view"))
    }

    fn spans(&self) -> Option<&SpanEditor> {
        match &self.draft {
            Some(Draft { drawn: Drawn::Sound(editor), .. }) => Some(editor),
            _ => None,
        }
    }

    fn lanes_ui(
        &mut self,
        ui: &mut Ui,
        page: &mut Page<'_>,
        card: &Card,
        head: &Arc<SoundHead>,
        response: &Response,
    ) {
        let now = page.session.player.now();
        let placed = self.sound.place(ui.max_rect(), head, self.is_speech);
        (self.sound.placed, self.sound.width) = (Some(placed), placed.spectrum.width());
        self.sound.follow_sound(ui, &now, &card.item.media);
        if self.sound_hand(ui, response, &placed) {
            self.sound.seek(page, &card.item.media);
        }
        // What the hand has moved is drawn in the same frame.
        let placed = self.sound.place(ui.max_rect(), head, self.is_speech);
        self.sound.placed = Some(placed);
        let media = &card.item.media;
        let is_whole = self.sound.paint(ui, page, media, head, &placed);
        if is_whole {
            self.shown_at.get_or_insert_with(Instant::now);
        }
        if !page.hides_marks && self.shown_at.is_some() {
            if self.is_speech {
                self.words_ui(ui, page, card, &placed);
            } else {
                self.sound_marks(ui, page, card, &placed);
            }
        }
        lanes::cursor(ui, &placed, self.sound.cursor, response.hover_pos(), page.tokens);
        self.sound_tools_ui(ui, page, &placed, &now);
        if let Some(editor) = self.spans().filter(|_| self.is_editing) {
            edit_chip_ui(ui, page, placed.spectrum, &editor.regions, "");
        }
    }

    /// Wheel, drag and tools. Whether a moment was pointed at.
    fn sound_hand(&mut self, ui: &Ui, response: &Response, placed: &Placed) -> bool {
        let Placed { ruled, secs, rate_hz, .. } = *placed;
        if let Some(at) = response.hover_pos().filter(|at| placed.lanes().contains(*at)) {
            let (wheel, pinch) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta()));
            let factor = f64::from(pinch * camera::ZOOM_STEP.powf(wheel.y / 25.0));
            if factor != 1.0 {
                self.sound.axis.zoom(ruled, factor, ruled.secs_at(at.x), secs, rate_hz);
                self.sound.is_view_set = true;
            }
            if wheel.x != 0.0 {
                self.sound.axis.pan(ruled, wheel.x, secs);
                self.sound.is_view_set = true;
            }
        }
        let is_drawing = self.is_editing;
        let by_other =
            response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Secondary);
        if by_other || (!is_drawing && response.dragged()) {
            self.sound.axis.pan(ruled, response.drag_delta().x, secs);
            self.sound.is_view_set = true;
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            return false;
        }
        let at = response.interact_pointer_pos().filter(|at| placed.lanes().contains(*at));
        let pointed = at.filter(|_| response.clicked());
        if let Some(at) = pointed {
            self.sound.cursor = ruled.secs_at(at.x).clamp(0.0, secs);
            self.sound.is_cursor_set = true;
        }
        if is_drawing && let Some(Draft { drawn: Drawn::Sound(editor), .. }) = &mut self.draft {
            self.sound.draw(ui, response, placed, editor);
        }
        pointed.is_some()
    }

    /// The regions that may be seen now.
    fn sound_marks(&mut self, ui: &Ui, page: &Page<'_>, card: &Card, placed: &Placed) {
        let plain = Mark { thresholds: card.thresholds, is_label: false, is_dashed: false, chosen: None };
        let mark = |is_label| Mark { is_label, ..plain };
        let theme = page.tokens;
        if let Some(editor) = self.spans() {
            let own = editor.regions.list();
            if let Some(prediction) =
                card.prediction.as_ref().filter(|_| is_revealed(card, self.first.as_ref()))
            {
                // What a verdict says was seen is seen, beside what was drawn.
                let others = other_regions(&prediction.regions, own);
                lanes::regions(ui, placed, &others, Mark { is_dashed: true, ..plain }, theme);
            }
            let chosen = editor.regions.chosen().filter(|_| self.is_editing);
            lanes::regions(ui, placed, own, Mark { chosen, ..mark(true) }, theme);
            let begun = editor
                .begun
                .map(|from| Shape::Span { span_secs: [from, self.sound.cursor.max(from)], band_hz: None });
            for shape in editor.preview().iter().chain(&begun) {
                lanes::outline_span(ui.painter(), placed, shape, [DARK.accent, theme.accent], false);
            }
            return;
        }
        match (&card.prediction, &card.label) {
            // What people settled stands before what a model says.
            (_, Some(label)) if !card.is_waiting && !label.regions.is_empty() => {
                lanes::regions(ui, placed, &label.regions, mark(true), theme);
            }
            (Some(prediction), _) if is_revealed(card, self.first.as_ref()) => {
                lanes::regions(ui, placed, &prediction.regions, mark(false), theme);
            }
            _ => {}
        }
    }

    /// The stretch that matters most now: the chosen one, else the likeliest of those that may be seen.
    pub(super) fn highlight(&self, card: &Card) -> Option<Stretch> {
        if let Some(editor) = self.spans() {
            return editor.chosen_span();
        }
        if self.is_speech {
            return self.word_span(card);
        }
        let regions = match (&card.prediction, &card.label) {
            (_, Some(label)) if !card.is_waiting && !label.regions.is_empty() => &label.regions,
            (Some(prediction), _) if is_revealed(card, self.first.as_ref()) => &prediction.regions,
            _ => return None,
        };
        let score = |region: &&Region| region.score.map_or(1.0, crate::domain::Probability::get);
        let spans = regions.iter().filter(|region| matches!(region.shape, Shape::Span { .. }));
        let best = spans.max_by(|a, b| score(a).total_cmp(&score(b)))?;
        if let Shape::Span { span_secs, .. } = best.shape { Some(span_secs) } else { None }
    }
}

impl SoundView {
    fn place(&self, whole: Rect, head: &SoundHead, is_speech: bool) -> Placed {
        // Room for the words also where they may not be seen: their lane tells nothing, and nothing jumps.
        let said = if is_speech { WORDS } else { 0.0 };
        let lanes = Rect::from_min_max(
            whole.min + vec2(BESIDE, ABOVE),
            pos2(whole.right() - SPACE[2], whole.bottom() - BELOW - said),
        );
        let words = Rect::from_min_size(lanes.left_bottom(), vec2(lanes.width(), said));
        let wave = lanes.with_max_y(lanes.top() + lanes.height() * WAVE_SHARE);
        let ruler = Rect::from_min_size(wave.left_bottom(), vec2(lanes.width(), RULER));
        Placed {
            wave,
            ruler,
            spectrum: lanes.with_min_y(ruler.bottom()),
            words,
            tools: Rect::from_min_max(
                pos2(whole.left() + SPACE[2], words.bottom() + SPACE[1]),
                whole.max - vec2(SPACE[2], SPACE[1]),
            ),
            ruled: self.axis.ruled(lanes.left(), lanes.width(), head.secs()),
            bands: SpectrumAxis::new(head.rate_hz, 1),
            secs: head.secs(),
            rate_hz: head.rate_hz,
        }
    }

    fn paint(
        &mut self,
        ui: &Ui,
        page: &mut Page<'_>,
        media: &MediaHash,
        head: &SoundHead,
        placed: &Placed,
    ) -> bool {
        let t = page.tokens;
        let painter = ui.painter();
        painter.rect_filled(placed.wave, 0.0, t.background[1]);
        painter.rect_filled(placed.spectrum, 0.0, DARK.background[0]);
        let ink = wave::Ink { peak: t.text[2], mean: t.text[1], middle: t.line };
        let gain = 10_f32.powf(self.look.gain_db() / 20.0);
        let waveform = wave::Wave { media, head, ruled: placed.ruled, area: placed.wave, ink, gain };
        waveform.paint(painter, &mut page.session.recordings);
        let sound = (media, head);
        let recordings = &mut page.session.recordings;
        let is_whole =
            self.spectrogram.paint(painter, recordings, sound, self.look, placed.ruled, placed.spectrum);
        lanes::axes(ui, placed, head.channels, t);
        is_whole
    }

    /// The tools' pointer.
    fn draw(&mut self, ui: &Ui, response: &Response, placed: &Placed, editor: &mut SpanEditor) {
        let (pressed, released, at) = ui.input(|input| {
            (input.pointer.primary_pressed(), input.pointer.primary_released(), input.pointer.interact_pos())
        });
        if let Some(at) = at {
            if pressed && response.hovered() && placed.lanes().contains(at) {
                self.is_in_band = placed.spectrum.contains(at);
                editor.press(self.spot(placed, at.x, at.y), reach(placed, at.y));
            } else if response.is_pointer_button_down_on() {
                editor.drag(self.spot(placed, at.x, at.y));
            }
        }
        if released {
            editor.release();
        }
        if editor.tool == SpanTool::Draw && response.hovered() {
            ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        }
    }
}

/// What points of the screen are worth at this height.
fn reach(placed: &Placed, y: f32) -> Reach {
    let secs = |points: f32| f64::from(points) * placed.ruled.secs_per_point;
    let around = |points: f32| [placed.hz_at(y + points), placed.hz_at(y - points)];
    Reach { secs: secs(REACH), band_hz: around(REACH), slip_secs: secs(SLIP), slip_hz: around(BAND_MIN) }
}

/// Asks for what a sound will need first, as far as that is known.
pub(super) fn prefetch(page: &mut Page<'_>, view: &SoundView, media: &MediaHash, per_point: f32) {
    let Shown::Ready(head) = page.session.recordings.head(media) else { return };
    if view.width == 0.0 {
        return;
    }
    let ruled = TimeAxis::default().ruled(0.0, view.width, head.secs());
    let level = spectrum::level(head.rate_hz, ruled.secs_per_point / f64::from(per_point));
    let length = spectrum::tile_secs(head.rate_hz, level, 0)[1];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tiles on a screen")]
    let tiles = (head.secs() / length).ceil() as u64;
    for index in 0..tiles {
        page.session.recordings.tile(media, level, index);
    }
}
