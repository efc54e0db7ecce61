//! A sound as large as there is room: waveform above, spectrogram below, one time axis for both, regions
//! over them, and the hand on it. Answers and their keys are those of a picture.

mod axis;
mod lanes;
mod spans;
mod spectrum;
mod tools;
mod transport;
mod wave;

use super::super::album::Shown;
use super::super::levels::LevelLook;
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{DARK, SPACE};
use super::super::verbs::Verb;
use super::answer::is_revealed;
use super::canvas::message;
use super::{ReviewPage, camera};
use crate::domain::{MediaHash, Region, Shape};
use crate::engine::{Card, SoundHead, SpectrumAxis};
use axis::{Ruled, TimeAxis};
use eframe::egui::{CursorIcon, PointerButton, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use lanes::Mark;
pub use spans::SpanEditor;
use spans::{Reach, SpanTool, Spot, Stretch};
use spectrum::Spectrogram;
use std::sync::Arc;
use std::time::Instant;
use transport::Transport;

/// Points of the screen within which an edge is still meant.
const REACH: f32 = 8.0;
/// Points that one key moves the sound, the cursor or a region.
const PAN: f32 = 120.0;
const NUDGE: f32 = 8.0;
/// Room for the chips above, the frequencies beside, the ruler between and the tools below.
const ABOVE: f32 = 56.0;
const BESIDE: f32 = 62.0;
const RULER: f32 = 26.0;
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
    pub editor: Option<SpanEditor>,
    spectrogram: Spectrogram,
    placed: Option<Placed>,
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
            placed: self.placed,
            ..Self::default()
        };
    }

    /// Begins an editor with these regions, if it is known how long the sound is.
    pub fn edit(&mut self, regions: Vec<Region>, class: &str) -> bool {
        let Some(placed) = &self.placed else { return false };
        let spans = |region: &Region| matches!(region.shape, Shape::Span { .. });
        let regions = regions.into_iter().filter(spans).collect();
        if self.editor.is_none() {
            self.editor = Some(SpanEditor::new(regions, placed.secs, placed.bands.high_hz(), class));
        }
        true
    }

    /// Whether anything of it was played, so that it may have to stop.
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
            Verb::Fit => self.axis = TimeAxis::default(),
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
                    self.cursor = span[0];
                }
            }
            _ => {}
        }
    }

    fn set_cursor(&mut self, secs: f64) {
        let Some(placed) = self.placed else { return };
        self.cursor = secs.clamp(0.0, placed.secs);
        self.axis.follow(placed.ruled, self.cursor, placed.secs);
    }

    /// What a key does to the regions under work.
    pub fn perform_edit(&mut self, verb: Verb) {
        let Some(Placed { ruled, .. }) = self.placed else { return };
        let cursor = self.cursor;
        let step = f64::from(NUDGE) * ruled.secs_per_point;
        let Some(editor) = &mut self.editor else { return };
        match verb {
            Verb::ToolSelect => editor.tool = SpanTool::Select,
            Verb::ToolBox if editor.tool == SpanTool::Draw => {
                editor.add(cursor.max(ruled.start), (ruled.end() - ruled.start) / 8.0);
            }
            Verb::ToolBox => editor.tool = SpanTool::Draw,
            Verb::ToolCut => {
                editor.split_at(cursor);
            }
            Verb::NextRegion => editor.step(true),
            Verb::PreviousRegion => editor.step(false),
            Verb::MoveLeft => editor.shift(-step, 0.0),
            Verb::MoveRight => editor.shift(step, 0.0),
            Verb::MoveUp => editor.shift(0.0, 0.1),
            Verb::MoveDown => editor.shift(0.0, -0.1),
            Verb::Grow => editor.grow(step),
            Verb::Shrink => editor.grow(-step),
            Verb::Merge => editor.merge(),
            Verb::DeleteRegion => editor.delete(),
            Verb::Redo => {
                editor.redo();
            }
            _ => {}
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
        let name = format!("{} {}", tr("Sound of unit"), card.item.unit);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        match page.session.recordings.head(&card.item.media) {
            Shown::Ready(head) => self.lanes_ui(ui, page, card, &head, &response),
            Shown::Loading => {}
            Shown::Failed(why) => {
                let erased = card.expired.as_ref();
                let text =
                    erased.map_or(why, |rule| format!("{} \"{rule}\"", tr("Erased by the retention rule")));
                message(ui, whole, tr("This sound cannot be shown"), &text, page.tokens);
                self.shown_at.get_or_insert_with(Instant::now);
            }
        }
        self.sound_chips_ui(ui, page, card, whole);
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
        let placed = self.sound.place(ui.max_rect(), head);
        self.sound.placed = Some(placed);
        self.sound.follow_sound(ui, &now, &card.item.media);
        if self.sound_hand(ui, response, &placed) {
            self.sound.seek(page, &card.item.media);
        }
        // What the hand has moved is drawn in the same frame.
        let placed = self.sound.place(ui.max_rect(), head);
        self.sound.placed = Some(placed);
        let media = &card.item.media;
        let is_whole = self.sound.paint(ui, page, media, head, &placed);
        if is_whole {
            self.shown_at.get_or_insert_with(Instant::now);
        }
        if !page.hides_marks && self.shown_at.is_some() {
            self.sound_marks(ui, page, card, &placed);
        }
        lanes::cursor(ui, &placed, self.sound.cursor, response.hover_pos(), page.tokens);
        self.sound_tools_ui(ui, page, &placed, &now);
    }

    /// Wheel, drag and tools. Whether a moment was pointed at.
    fn sound_hand(&mut self, ui: &Ui, response: &Response, placed: &Placed) -> bool {
        let Placed { ruled, secs, rate_hz, .. } = *placed;
        if let Some(at) = response.hover_pos().filter(|at| placed.lanes().contains(*at)) {
            let (wheel, pinch) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta()));
            let factor = f64::from(pinch * camera::ZOOM_STEP.powf(wheel.y / 25.0));
            if factor != 1.0 {
                self.sound.axis.zoom(ruled, factor, ruled.secs_at(at.x), secs, rate_hz);
            }
            if wheel.x != 0.0 {
                self.sound.axis.pan(ruled, wheel.x, secs);
            }
        }
        let is_drawing = self.is_editing;
        let by_other =
            response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Secondary);
        if by_other || (!is_drawing && response.dragged()) {
            self.sound.axis.pan(ruled, response.drag_delta().x, secs);
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            return false;
        }
        let at = response.interact_pointer_pos().filter(|at| placed.lanes().contains(*at));
        let pointed = at.filter(|_| response.clicked());
        if let Some(at) = pointed {
            self.sound.cursor = ruled.secs_at(at.x).clamp(0.0, secs);
        }
        if is_drawing {
            self.sound.draw(ui, response, placed);
        }
        pointed.is_some()
    }

    /// The regions that may be seen now.
    fn sound_marks(&mut self, ui: &Ui, page: &Page<'_>, card: &Card, placed: &Placed) {
        let mark = |is_label, chosen| Mark { thresholds: card.thresholds, is_label, chosen };
        let theme = page.tokens;
        if let Some(editor) = &self.sound.editor {
            let chosen = editor.chosen.filter(|_| self.is_editing);
            lanes::regions(ui, placed, &editor.regions, mark(true, chosen), theme);
            if let Some(shape) = editor.preview() {
                lanes::outline_span(ui.painter(), placed, &shape, [DARK.accent, theme.accent], false);
            }
            return;
        }
        match (&card.prediction, &card.label) {
            // What people settled stands before what a model says.
            (_, Some(label)) if !card.is_waiting && !label.regions.is_empty() => {
                lanes::regions(ui, placed, &label.regions, mark(true, None), theme);
            }
            (Some(prediction), _) if is_revealed(card, self.first.as_ref()) => {
                lanes::regions(ui, placed, &prediction.regions, mark(false, None), theme);
            }
            _ => {}
        }
    }

    /// The stretch that matters most now: the chosen one, else the likeliest of those that may be seen.
    pub(super) fn highlight(&self, card: &Card) -> Option<Stretch> {
        if let Some(editor) = &self.sound.editor {
            return editor.chosen_span();
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
    fn place(&self, whole: Rect, head: &SoundHead) -> Placed {
        let lanes = Rect::from_min_max(
            whole.min + vec2(BESIDE, ABOVE),
            pos2(whole.right() - SPACE[2], whole.bottom() - BELOW),
        );
        let wave = lanes.with_max_y(lanes.top() + lanes.height() * WAVE_SHARE);
        let ruler = Rect::from_min_size(wave.left_bottom(), vec2(lanes.width(), RULER));
        Placed {
            wave,
            ruler,
            spectrum: lanes.with_min_y(ruler.bottom()),
            tools: Rect::from_min_max(
                pos2(whole.left() + SPACE[2], lanes.bottom() + SPACE[1]),
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
    fn draw(&mut self, ui: &Ui, response: &Response, placed: &Placed) {
        let (pressed, released, at) = ui.input(|input| {
            (input.pointer.primary_pressed(), input.pointer.primary_released(), input.pointer.interact_pos())
        });
        if let Some(at) = at {
            if pressed && response.hovered() && placed.lanes().contains(at) {
                self.is_in_band = placed.spectrum.contains(at);
                let reach = Reach {
                    secs: f64::from(REACH) * placed.ruled.secs_per_point,
                    band_hz: [placed.hz_at(at.y + REACH), placed.hz_at(at.y - REACH)],
                };
                let spot = self.spot(placed, at.x, at.y);
                if let Some(editor) = &mut self.editor {
                    editor.press(spot, reach);
                }
            } else if response.is_pointer_button_down_on() {
                let spot = self.spot(placed, at.x, at.y);
                if let Some(editor) = &mut self.editor {
                    editor.drag(spot);
                }
            }
        }
        let Some(editor) = &mut self.editor else { return };
        if released {
            editor.release();
        }
        if editor.tool == SpanTool::Draw && response.hovered() {
            ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        }
    }
}

/// Asks for what a sound will need first, as far as that is known.
pub(super) fn prefetch(page: &mut Page<'_>, view: &SoundView, media: &MediaHash, per_point: f32) {
    let Shown::Ready(head) = page.session.recordings.head(media) else { return };
    let Some(placed) = &view.placed else { return };
    let ruled = TimeAxis::default().ruled(0.0, placed.spectrum.width(), head.secs());
    let level = spectrum::level(head.rate_hz, ruled.secs_per_point / f64::from(per_point));
    let length = spectrum::tile_secs(head.rate_hz, level, 0)[1];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tiles on a screen")]
    let tiles = (head.secs() / length).ceil() as u64;
    for index in 0..tiles {
        page.session.recordings.tile(media, level, index);
    }
}
