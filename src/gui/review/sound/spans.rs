//! Stretches of a sound under work, most with a band of frequencies: how they are drawn and reshaped. Pure;
//! the lanes hand it moments in seconds and frequencies in Hz.

use super::super::regions::{Change, Regions};
use crate::domain::{Region, Shape};

/// Bands are never less high.
const BAND_MIN_HZ: f64 = 1.0;
/// Of a region's own length, so far into it an edge is meant at most: the rest moves it.
const EDGE_SHARE: f64 = 1.0 / 3.0;

/// A stretch: from, to.
pub type Stretch = [f64; 2];

/// Where the pointer is; on the waveform there is no frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub secs: f64,
    pub hz: Option<f64>,
}

/// What the hand can mean around a spot, by what a point of the screen is worth there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// How far off an edge is still meant: in seconds, and which frequencies lie that close.
    pub secs: f64,
    pub band_hz: Stretch,
    /// A shorter stretch is a slip of the hand; within these frequencies there is no band.
    pub slip_secs: f64,
    pub slip_hz: Stretch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanTool {
    Select,
    Draw,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    New(Spot, Spot, Reach),
    /// Edges of the chosen region: which of left, right, low, high.
    Edges([bool; 4]),
    Whole(Spot),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SpanEditor {
    pub regions: Regions,
    pub tool: SpanTool,
    /// The tool was chosen by key or button, so that once more is meant to draw.
    is_asked_for: bool,
    /// Where a stretch begins that has no end yet.
    pub begun: Option<f64>,
    held: Option<Held>,
    extent: Extent,
}

/// How far a sound goes, and its finest step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    pub secs: f64,
    pub high_hz: f64,
    /// One sample: no stretch is shorter.
    pub sample_secs: f64,
}

/// The two parts of a stretch; `None` where a part would be shorter than `least`.
pub fn split(span: Stretch, at: f64, least: f64) -> Option<[Stretch; 2]> {
    let [from, to] = span;
    (at - from >= least && to - at >= least).then_some([[from, at], [at, to]])
}

/// What holds both; a band stays only where both have one.
pub fn merged(a: &Shape, b: &Shape) -> Option<Shape> {
    let around = |[a, b]: Stretch, [c, d]: Stretch| [a.min(c), b.max(d)];
    let ((a, low), (b, high)) = (parts(a)?, parts(b)?);
    let band_hz = low.zip(high).map(|(a, b)| around(a, b));
    Some(Shape::Span { span_secs: around(a, b), band_hz })
}

/// Negative where they overlap.
fn gap(a: &Shape, b: &Shape) -> Option<f64> {
    let (([from, to], _), ([other_from, other_to], _)) = (parts(a)?, parts(b)?);
    Some((other_from - to).max(from - other_to))
}

fn parts(shape: &Shape) -> Option<(Stretch, Option<Stretch>)> {
    if let Shape::Span { span_secs, band_hz } = shape { Some((*span_secs, *band_hz)) } else { None }
}

fn ordered([a, b]: Stretch) -> Stretch {
    [a.min(b), a.max(b)]
}

impl SpanEditor {
    pub fn new(regions: Vec<Region>, extent: Extent, class: &str) -> Self {
        let regions = Regions::new(regions, class, |shape| parts(shape).is_some());
        Self {
            tool: if regions.chosen().is_some() { SpanTool::Select } else { SpanTool::Draw },
            regions,
            is_asked_for: false,
            begun: None,
            held: None,
            extent,
        }
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        self.held = None;
        self.begun.take().is_some() || self.regions.undo()
    }

    /// True when it was chosen before, so that a region is to be drawn without a pointer.
    pub fn choose_draw(&mut self) -> bool {
        let was_chosen = self.tool == SpanTool::Draw && self.is_asked_for;
        (self.tool, self.is_asked_for) = (SpanTool::Draw, true);
        was_chosen
    }

    /// A region around a moment, inside what is seen.
    pub fn add(&mut self, at: f64, seen: Stretch) {
        let (low, high) = (seen[0].max(0.0), seen[1].min(self.extent.secs));
        let secs = ((high - low) / 8.0).max(self.extent.sample_secs);
        let from = (at.clamp(low, high) - secs / 2.0).clamp(low, (high - secs).max(low));
        self.push([from, (from + secs).min(self.extent.secs)]);
    }

    fn push(&mut self, span_secs: Stretch) {
        self.regions.push(Shape::Span { span_secs, band_hz: None });
    }

    /// The chosen region begins at this moment, if that lies in it; else the next one does.
    pub fn begin_at(&mut self, at: f64) {
        match self.chosen_parts() {
            Some(([from, to], band)) if at >= from && to - at >= self.extent.sample_secs => {
                self.begun = None;
                self.reshape(Change::Grow, [at, to], band);
            }
            _ => self.begun = Some(at),
        }
    }

    /// Ends what was begun; else the chosen region, if it began before.
    pub fn end_at(&mut self, at: f64) {
        let is_after = |from: f64| at - from >= self.extent.sample_secs;
        match (self.begun, self.chosen_parts()) {
            (Some(from), _) if is_after(from) => {
                self.begun = None;
                self.push([from, at]);
            }
            (None, Some(([from, _], band))) if is_after(from) => self.reshape(Change::Grow, [from, at], band),
            _ => {}
        }
    }

    /// Moves the chosen region in time, and its band by a share of itself.
    pub fn shift(&mut self, secs: f64, share: f64) {
        let Some((span, band)) = self.chosen_parts() else { return };
        let hz = band.map_or(0.0, |[low, high]| (high - low) * share);
        self.move_by(Change::Move, (span, band), secs, hz);
    }

    /// As far as the sound goes.
    fn move_by(&mut self, change: Change, (span, band): (Stretch, Option<Stretch>), secs: f64, hz: f64) {
        let secs = secs.clamp(-span[0], (self.extent.secs - span[1]).max(-span[0]));
        let band = band.map(|[low, high]| {
            let by = hz.clamp(-low, (self.extent.high_hz - high).max(-low));
            [low + by, high + by]
        });
        self.reshape(change, span.map(|v| v + secs), band);
    }

    /// Makes the chosen region longer at both ends, or shorter.
    pub fn grow(&mut self, secs: f64) {
        let Some(([from, to], band)) = self.chosen_parts() else { return };
        let grown = [(from - secs).max(0.0), (to + secs).min(self.extent.secs)];
        if grown[1] - grown[0] >= self.extent.sample_secs {
            self.reshape(Change::Grow, grown, band);
        }
    }

    /// Makes two regions at a moment of the one that it lies in: the chosen one first of all.
    pub fn split_at(&mut self, at: f64) -> bool {
        let list = self.regions.list();
        let found = self
            .regions
            .chosen()
            .into_iter()
            .chain(0..list.len())
            .filter_map(|i| parts(&list[i].shape).map(|parts| (i, parts)))
            .find_map(|(i, (span, band))| Some((i, split(span, at, self.extent.sample_secs)?, band)));
        let Some((i, halves, band_hz)) = found else { return false };
        self.regions.split(i, halves.map(|span_secs| Shape::Span { span_secs, band_hz }));
        true
    }

    /// The chosen region takes in the nearest one of its class.
    pub fn merge(&mut self) {
        self.regions.merge(gap, merged);
    }

    pub fn chosen_span(&self) -> Option<Stretch> {
        self.chosen_parts().map(|(span, _)| span)
    }

    fn chosen_parts(&self) -> Option<(Stretch, Option<Stretch>)> {
        self.regions.chosen_shape().and_then(parts)
    }

    fn reshape(&mut self, change: Change, span_secs: Stretch, band_hz: Option<Stretch>) {
        self.regions.reshape(change, Shape::Span { span_secs, band_hz });
    }

    /// The pointer went down.
    pub fn press(&mut self, at: Spot, reach: Reach) {
        if self.tool == SpanTool::Draw {
            self.held = Some(Held::New(at, at, reach));
            return;
        }
        let edges = self.chosen_parts().map(|parts| edges(parts, at, reach));
        if let Some(edges) = edges.filter(|edges| edges.contains(&true)) {
            self.held = Some(Held::Edges(edges));
            return;
        }
        self.regions.choose(self.under(at, reach));
        self.held = self.regions.chosen().map(|_| Held::Whole(at));
    }

    /// The shortest region under a spot.
    pub fn under(&self, at: Spot, reach: Reach) -> Option<usize> {
        let length = |[a, b]: Stretch| b - a;
        self.regions
            .list()
            .iter()
            .enumerate()
            .filter_map(|(i, region)| Some((i, parts(&region.shape)?)))
            .filter(|(_, ([from, to], band))| {
                let is_in_band = match (band, at.hz) {
                    (Some([low, high]), Some(_)) => reach.band_hz[1] >= *low && reach.band_hz[0] <= *high,
                    _ => true,
                };
                at.secs >= from - reach.secs && at.secs <= to + reach.secs && is_in_band
            })
            .min_by(|a, b| length(a.1.0).total_cmp(&length(b.1.0)))
            .map(|(i, _)| i)
    }

    /// The held pointer moved.
    pub fn drag(&mut self, to: Spot) {
        let Extent { secs, high_hz, .. } = self.extent;
        let to = Spot { secs: to.secs.clamp(0.0, secs), hz: to.hz.map(|hz| hz.clamp(0.0, high_hz)) };
        match self.held {
            Some(Held::New(from, _, reach)) => self.held = Some(Held::New(from, to, reach)),
            Some(Held::Edges(edges)) => self.drag_edges(edges, to),
            Some(Held::Whole(last)) => {
                let Some(parts) = self.chosen_parts() else { return };
                let hz = to.hz.zip(last.hz).map_or(0.0, |(now, before)| now - before);
                self.move_by(Change::Drag, parts, to.secs - last.secs, hz);
                self.held = Some(Held::Whole(to));
            }
            None => {}
        }
    }

    fn drag_edges(&mut self, [left, right, low, high]: [bool; 4], to: Spot) {
        let Some((mut span, mut band)) = self.chosen_parts() else { return };
        let least = self.extent.sample_secs;
        if left {
            span[0] = to.secs.min(span[1] - least).max(0.0);
        } else if right {
            span[1] = to.secs.max(span[0] + least);
        }
        if let (Some(band), Some(hz)) = (&mut band, to.hz) {
            if low {
                band[0] = hz.min(band[1] - BAND_MIN_HZ).max(0.0);
            } else if high {
                band[1] = hz.max(band[0] + BAND_MIN_HZ);
            }
        }
        self.reshape(Change::Drag, span, band);
    }

    /// The pointer went up.
    pub fn release(&mut self) {
        match self.held.take() {
            Some(Held::New(a, b, reach)) => {
                if let Some(shape) = self.drawn(a, b, reach) {
                    self.regions.push(shape);
                }
            }
            Some(_) => self.regions.end_drag(),
            None => {}
        }
    }

    /// What the held pointer has drawn so far.
    pub fn preview(&self) -> Option<Shape> {
        let Some(Held::New(a, b, reach)) = self.held else { return None };
        self.drawn(a, b, reach)
    }

    fn drawn(&self, a: Spot, b: Spot, reach: Reach) -> Option<Shape> {
        let span_secs = ordered([a.secs, b.secs]);
        let has_band = |hz: f64| hz < reach.slip_hz[0] || hz > reach.slip_hz[1];
        let band_hz = a.hz.zip(b.hz.filter(|hz| has_band(*hz))).map(|(a, b)| ordered([a, b]));
        let least = reach.slip_secs.max(self.extent.sample_secs);
        (span_secs[1] - span_secs[0] >= least).then_some(Shape::Span { span_secs, band_hz })
    }
}

/// Which of left, right, low and high are meant: of two edges within reach the nearer one.
fn edges((span, band): (Stretch, Option<Stretch>), at: Spot, reach: Reach) -> [bool; 4] {
    let is_along = at.secs >= span[0] - reach.secs && at.secs <= span[1] + reach.secs;
    let is_within = match (band, at.hz) {
        (Some([low, high]), Some(_)) => reach.band_hz[1] >= low && reach.band_hz[0] <= high,
        _ => true,
    };
    let around = [at.secs - reach.secs, at.secs + reach.secs];
    let [left, right] = if is_within { nearer(span, at.secs, around) } else { [false; 2] };
    let [low, high] = match (band, at.hz) {
        (Some(band), Some(hz)) if is_along => nearer(band, hz, reach.band_hz),
        _ => [false; 2],
    };
    [left, right, low, high]
}

/// Which end of a stretch is meant at `at`: from outside within reach, from inside never farther than a
/// share of the whole, so that its middle moves it.
fn nearer([low, high]: Stretch, at: f64, [from, to]: Stretch) -> [bool; 2] {
    let most = (high - low) * EDGE_SHARE;
    let is_low = (from..=to).contains(&low) && at - low <= most;
    let is_high = (from..=to).contains(&high) && high - at <= most;
    let is_low_nearer = (at - low).abs() <= (high - at).abs();
    [is_low && (!is_high || is_low_nearer), is_high && !(is_low && is_low_nearer)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent { secs: 5.0, high_hz: 8000.0, sample_secs: 1.0 / 16_000.0 };

    fn spot(secs: f64, hz: f64) -> Spot {
        Spot { secs, hz: Some(hz) }
    }

    fn near(hz: f64) -> Reach {
        Reach {
            secs: 0.01,
            band_hz: [hz - 20.0, hz + 20.0],
            slip_secs: 0.005,
            slip_hz: [hz - 15.0, hz + 15.0],
        }
    }

    fn drag(editor: &mut SpanEditor, from: Spot, to: Spot) {
        editor.press(from, near(from.hz.unwrap_or(0.0)));
        editor.drag(to);
        editor.release();
    }

    fn editor() -> SpanEditor {
        let mut editor = SpanEditor::new(Vec::new(), EXTENT, "rattle");
        drag(&mut editor, spot(1.0, 500.0), spot(2.0, 1500.0));
        editor
    }

    fn span(from: f64, to: f64, band_hz: Option<Stretch>) -> Shape {
        Shape::Span { span_secs: [from, to], band_hz }
    }

    #[test]
    fn stretches_split_and_merge_as_sets_do() {
        assert_eq!(split([1.0, 3.0], 1.5, 0.1), Some([[1.0, 1.5], [1.5, 3.0]]));
        assert_eq!((split([1.0, 3.0], 1.05, 0.1), split([1.0, 3.0], 3.5, 0.1)), (None, None));
        let (a, b) = (span(1.0, 2.0, Some([100.0, 200.0])), span(4.0, 5.0, Some([150.0, 900.0])));
        assert_eq!(merged(&a, &b), Some(span(1.0, 5.0, Some([100.0, 900.0]))));
        assert_eq!(merged(&a, &span(0.5, 1.0, None)), Some(span(0.5, 2.0, None)));
        assert_eq!(merged(&a, &Shape::Whole), None);
    }

    #[test]
    fn every_change_can_be_taken_back_and_done_again() {
        let mut editor = editor();
        assert_eq!(editor.regions.list()[0].shape, span(1.0, 2.0, Some([500.0, 1500.0])));
        let mut stages = vec![editor.regions.list().to_vec()];
        let mut step = |editor: &SpanEditor, expected: &[Shape]| {
            let shapes: Vec<Shape> =
                editor.regions.list().iter().map(|region| region.shape.clone()).collect();
            assert_eq!(shapes, expected);
            stages.push(editor.regions.list().to_vec());
        };
        editor.tool = SpanTool::Select;
        drag(&mut editor, spot(2.0, 1000.0), spot(3.0, 1000.0));
        step(&editor, &[span(1.0, 3.0, Some([500.0, 1500.0]))]);
        drag(&mut editor, spot(1.5, 1500.0), spot(1.5, 2000.0));
        step(&editor, &[span(1.0, 3.0, Some([500.0, 2000.0]))]);
        drag(&mut editor, spot(1.5, 900.0), spot(1.75, 1000.0));
        step(&editor, &[span(1.25, 3.25, Some([600.0, 2100.0]))]);
        assert!(editor.split_at(2.25));
        step(&editor, &[span(1.25, 2.25, Some([600.0, 2100.0])), span(2.25, 3.25, Some([600.0, 2100.0]))]);
        editor.regions.step(true);
        editor.shift(1.0, 0.0);
        step(&editor, &[span(1.25, 2.25, Some([600.0, 2100.0])), span(3.25, 4.25, Some([600.0, 2100.0]))]);
        editor.merge();
        step(&editor, &[span(1.25, 4.25, Some([600.0, 2100.0]))]);
        editor.grow(0.25);
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0]))]);
        editor.regions.set_class("rub");
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0]))]);
        editor.add(2.0, [1.0, 5.0]);
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0])), span(1.75, 2.25, None)]);
        editor.regions.delete();
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0]))]);
        for before in stages.iter().rev().skip(1) {
            assert!(editor.undo());
            assert_eq!(editor.regions.list(), *before);
        }
        for after in &stages[1..] {
            assert!(editor.regions.redo());
            assert_eq!(editor.regions.list(), *after);
        }
    }

    #[test]
    fn slips_make_nothing_a_click_only_chooses_and_nothing_leaves_the_sound() {
        let mut editor = editor();
        drag(&mut editor, spot(4.0, 100.0), spot(4.0, 900.0));
        assert_eq!(editor.regions.list().len(), 1);
        editor.tool = SpanTool::Select;
        editor.press(spot(4.0, 100.0), near(100.0));
        editor.release();
        assert_eq!(editor.regions.chosen(), None);
        editor.press(spot(1.5, 1000.0), near(1000.0));
        editor.release();
        assert_eq!(editor.regions.chosen(), Some(0));
        editor.shift(100.0, 0.0);
        assert_eq!(editor.chosen_span(), Some([4.0, 5.0]));
        assert!(!editor.split_at(0.5));
        // On the waveform a stretch has no band.
        editor.tool = SpanTool::Draw;
        drag(&mut editor, Spot { secs: 0.5, hz: None }, Spot { secs: 9.0, hz: None });
        assert_eq!(editor.regions.list()[1].shape, span(0.5, 5.0, None));
    }

    #[test]
    fn slips_are_measured_on_the_screen_and_no_stretch_is_shorter_than_a_sample() {
        let mut editor = editor();
        editor.tool = SpanTool::Draw;
        // Two milliseconds are below the four points of this zoom; nearer by, they are a region.
        drag(&mut editor, spot(3.0, 500.0), spot(3.002, 900.0));
        assert_eq!(editor.regions.list().len(), 1);
        let close = Reach { slip_secs: 1e-4, ..near(500.0) };
        editor.press(spot(3.0, 500.0), close);
        editor.drag(spot(3.0005, 900.0));
        editor.release();
        assert_eq!(editor.regions.list()[1].shape, span(3.0, 3.0005, Some([500.0, 900.0])));
        // A stroke along one height has no band.
        drag(&mut editor, spot(3.5, 500.0), spot(3.9, 510.0));
        assert_eq!(editor.regions.list()[2].shape, span(3.5, 3.9, None));
        for _ in 0..20 {
            editor.grow(-0.05);
        }
        let [from, to] = editor.chosen_span().unwrap();
        assert!(to - from >= EXTENT.sample_secs);
    }

    #[test]
    fn a_narrow_region_is_reshaped_at_its_nearer_edge_and_moved_by_its_middle() {
        let narrow = Region::new("rattle", span(1.0, 1.006, Some([500.0, 530.0])));
        let held = |secs: f64, hz: f64| {
            let (span, band) = parts(&narrow.shape).unwrap();
            edges((span, band), spot(secs, hz), near(hz))
        };
        assert_eq!(held(1.0055, 515.0), [false, true, false, false]);
        assert_eq!(held(1.0005, 515.0), [true, false, false, false]);
        assert_eq!(held(1.003, 515.0), [false; 4]);
        assert_eq!(held(1.003, 528.0), [false, false, false, true]);
        assert_eq!(held(1.014, 515.0), [false, true, false, false], "from outside all of the reach counts");
        // A moment without length can be made longer.
        let point = ([2.0, 2.0], None);
        assert_eq!(edges(point, spot(2.004, 10.0), near(10.0)), [false, true, false, false]);
        assert_eq!(edges(point, spot(1.996, 10.0), near(10.0)), [true, false, false, false]);
    }

    #[test]
    fn the_tool_is_chosen_first_and_what_it_draws_by_keys_is_in_sight() {
        let mut editor = SpanEditor::new(Vec::new(), EXTENT, "rattle");
        assert!(!editor.choose_draw() && editor.choose_draw());
        editor.add(0.0, [2.0, 2.8]);
        editor.add(9.0, [2.0, 2.8]);
        let spans: Vec<Stretch> =
            editor.regions.list().iter().filter_map(|r| Some(parts(&r.shape)?.0)).collect();
        assert!(spans[0] == [2.0, 2.1] && (spans[1][0] - 2.7).abs() < 1e-9, "{spans:?}");
    }

    #[test]
    fn a_stretch_is_marked_in_and_out_while_one_listens() {
        let mut editor = SpanEditor::new(Vec::new(), EXTENT, "rattle");
        editor.begin_at(1.0);
        editor.end_at(1.5);
        editor.begin_at(1.1);
        editor.end_at(1.7);
        assert_eq!(editor.regions.list()[0].shape, span(1.1, 1.7, None));
        editor.begin_at(3.0);
        assert!(editor.undo() && editor.begun.is_none());
        editor.begin_at(3.0);
        editor.end_at(3.25);
        assert_eq!(editor.regions.list()[1].shape, span(3.0, 3.25, None));
        editor.end_at(2.0);
        assert_eq!(editor.regions.list()[1].shape, span(3.0, 3.25, None));
    }
}
