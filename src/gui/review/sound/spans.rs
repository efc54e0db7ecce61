//! Regions of a sound under work: stretches of time, most with a band of frequencies. Pure; the lanes
//! hand it moments in seconds and frequencies in Hz.

use crate::domain::{Region, Shape};

/// Steps that undo takes back; as for pictures.
const UNDO_MAX: usize = 500;
/// Shorter stretches are slips of the hand.
const SECS_MIN: f64 = 0.001;
const BAND_MIN_HZ: f64 = 1.0;

/// A stretch: from, to.
pub type Stretch = [f64; 2];

/// Where the pointer is; on the waveform there is no frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub secs: f64,
    pub hz: Option<f64>,
}

/// How far off an edge is still meant: in seconds, and which frequencies lie that close.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    pub secs: f64,
    pub band_hz: Stretch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanTool {
    Select,
    Draw,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    New(Spot, Spot),
    /// Edges of the chosen region: which of left, right, low, high.
    Edges([bool; 4]),
    Whole(Spot),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SpanEditor {
    pub regions: Vec<Region>,
    pub chosen: Option<usize>,
    pub tool: SpanTool,
    /// Class of the next region.
    pub class: String,
    held: Option<Held>,
    secs: f64,
    high_hz: f64,
    undo: Vec<Vec<Region>>,
    redo: Vec<Vec<Region>>,
}

/// The two parts of a stretch; `None` where a part would be too short.
pub fn split(span: Stretch, at: f64) -> Option<[Stretch; 2]> {
    let [from, to] = span;
    (at - from >= SECS_MIN && to - at >= SECS_MIN).then_some([[from, at], [at, to]])
}

/// What holds both; a band stays only where both have one.
pub fn merged(a: &Shape, b: &Shape) -> Option<Shape> {
    let around = |[a, b]: Stretch, [c, d]: Stretch| [a.min(c), b.max(d)];
    match (a, b) {
        (Shape::Span { span_secs: a, band_hz: low }, Shape::Span { span_secs: b, band_hz: high }) => {
            let band_hz = low.zip(*high).map(|(a, b)| around(a, b));
            Some(Shape::Span { span_secs: around(*a, *b), band_hz })
        }
        _ => None,
    }
}

fn parts(shape: &Shape) -> Option<(Stretch, Option<Stretch>)> {
    if let Shape::Span { span_secs, band_hz } = shape { Some((*span_secs, *band_hz)) } else { None }
}

fn ordered([a, b]: Stretch) -> Stretch {
    [a.min(b), a.max(b)]
}

impl SpanEditor {
    pub fn new(regions: Vec<Region>, secs: f64, high_hz: f64, class: &str) -> Self {
        Self {
            chosen: (!regions.is_empty()).then_some(0),
            tool: if regions.is_empty() { SpanTool::Draw } else { SpanTool::Select },
            regions,
            class: class.to_owned(),
            held: None,
            secs,
            high_hz,
            undo: Vec::new(),
            redo: Vec::new(),
        }
    }

    pub fn is_changed(&self) -> bool {
        !self.undo.is_empty()
    }

    fn remember(&mut self) {
        if self.undo.len() == UNDO_MAX {
            self.undo.remove(0);
        }
        self.undo.push(self.regions.clone());
        self.redo.clear();
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        self.held = None;
        let Some(before) = self.undo.pop() else { return false };
        self.redo.push(std::mem::replace(&mut self.regions, before));
        self.chosen = self.chosen.filter(|&at| at < self.regions.len());
        true
    }

    pub fn redo(&mut self) -> bool {
        let Some(after) = self.redo.pop() else { return false };
        self.undo.push(std::mem::replace(&mut self.regions, after));
        self.chosen = self.chosen.filter(|&at| at < self.regions.len());
        true
    }

    /// Chooses the next region, or the one before.
    pub fn step(&mut self, forward: bool) {
        let n = self.regions.len();
        if n > 0 {
            let by = if forward { 1 } else { n - 1 };
            self.chosen = Some(self.chosen.map_or(if forward { 0 } else { n - 1 }, |at| (at + by) % n));
        }
    }

    /// The chosen region gets a class; without one, the next region does.
    pub fn set_class(&mut self, class: &str) {
        class.clone_into(&mut self.class);
        if let Some(at) = self.chosen
            && self.regions[at].class != class
        {
            self.remember();
            class.clone_into(&mut self.regions[at].class);
            self.regions[at].score = None;
        }
    }

    pub fn delete(&mut self) {
        if let Some(at) = self.chosen {
            self.remember();
            self.regions.remove(at);
            self.chosen = (!self.regions.is_empty()).then(|| at.min(self.regions.len() - 1));
        }
    }

    /// A region around a moment, for those who draw without a pointer.
    pub fn add(&mut self, at: f64, secs: f64) {
        let from = (at - secs / 2.0).clamp(0.0, (self.secs - secs).max(0.0));
        self.push([from, (from + secs).min(self.secs)], None);
    }

    fn push(&mut self, span_secs: Stretch, band_hz: Option<Stretch>) {
        self.remember();
        self.regions.push(Region::new(&self.class, Shape::Span { span_secs, band_hz }));
        self.chosen = Some(self.regions.len() - 1);
    }

    /// Moves the chosen region in time, and its band by a share of itself.
    pub fn shift(&mut self, secs: f64, share: f64) {
        let Some((span, band)) = self.chosen_parts() else { return };
        self.remember();
        let band = band.map(|[low, high]| {
            let by = ((high - low) * share).clamp(-low, self.high_hz - high);
            [low + by, high + by]
        });
        let secs = secs.clamp(-span[0], self.secs - span[1]);
        self.set_chosen(span.map(|v| v + secs), band);
    }

    /// Makes the chosen region longer at both ends, or shorter.
    pub fn grow(&mut self, secs: f64) {
        let Some(([from, to], band)) = self.chosen_parts() else { return };
        let grown = [(from - secs).max(0.0), (to + secs).min(self.secs)];
        if grown[1] - grown[0] >= SECS_MIN {
            self.remember();
            self.set_chosen(grown, band);
        }
    }

    /// Makes two regions at a moment of the one that it lies in: the chosen one first of all.
    pub fn split_at(&mut self, at: f64) -> bool {
        let order = self.chosen.into_iter().chain(0..self.regions.len());
        let found = order
            .filter_map(|i| parts(&self.regions[i].shape).map(|parts| (i, parts)))
            .find_map(|(i, (span, band))| Some((i, split(span, at)?, band)));
        let Some((i, [first, second], band)) = found else { return false };
        self.remember();
        self.chosen = Some(i);
        let class = self.regions[i].class.clone();
        self.set_chosen(first, band);
        self.regions.insert(i + 1, Region::new(class, Shape::Span { span_secs: second, band_hz: band }));
        true
    }

    /// The chosen region takes in the nearest one of its class.
    pub fn merge(&mut self) {
        let (Some(at), Some(([from, to], _))) = (self.chosen, self.chosen_parts()) else { return };
        let nearest = (0..self.regions.len())
            .filter(|&other| other != at && self.regions[other].class == self.regions[at].class)
            .filter_map(|other| {
                let ([a, b], _) = parts(&self.regions[other].shape)?;
                Some((other, (a - to).max(from - b)))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((other, _)) = nearest else { return };
        let Some(shape) = merged(&self.regions[at].shape, &self.regions[other].shape) else { return };
        self.remember();
        self.regions[at].shape = shape;
        self.regions[at].score = None;
        self.regions.remove(other);
        self.chosen = Some(if other < at { at - 1 } else { at });
    }

    pub fn chosen_span(&self) -> Option<Stretch> {
        self.chosen_parts().map(|(span, _)| span)
    }

    fn chosen_parts(&self) -> Option<(Stretch, Option<Stretch>)> {
        parts(&self.regions.get(self.chosen?)?.shape)
    }

    fn set_chosen(&mut self, span_secs: Stretch, band_hz: Option<Stretch>) {
        if let Some(region) = self.chosen.and_then(|at| self.regions.get_mut(at)) {
            region.shape = Shape::Span { span_secs, band_hz };
            // Whoever moved it has not measured a probability.
            region.score = None;
        }
    }

    /// The pointer went down.
    pub fn press(&mut self, at: Spot, reach: Reach) {
        if self.tool == SpanTool::Draw {
            self.held = Some(Held::New(at, at));
            return;
        }
        let edges = self.chosen_parts().map(|parts| edges(parts, at, reach));
        if let Some(edges) = edges.filter(|edges| edges.contains(&true)) {
            self.remember();
            self.held = Some(Held::Edges(edges));
            return;
        }
        self.chosen = self.under(at, reach);
        if let Some(chosen) = self.chosen {
            self.regions[chosen].class.clone_into(&mut self.class);
            self.remember();
            self.held = Some(Held::Whole(at));
        }
    }

    /// The shortest region under a spot.
    pub fn under(&self, at: Spot, reach: Reach) -> Option<usize> {
        let length = |[a, b]: Stretch| b - a;
        self.regions
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
        let to =
            Spot { secs: to.secs.clamp(0.0, self.secs), hz: to.hz.map(|hz| hz.clamp(0.0, self.high_hz)) };
        match self.held {
            Some(Held::New(from, _)) => self.held = Some(Held::New(from, to)),
            Some(Held::Edges([left, right, low, high])) => {
                let Some((mut span, mut band)) = self.chosen_parts() else { return };
                if left {
                    span[0] = to.secs.min(span[1] - SECS_MIN).max(0.0);
                } else if right {
                    span[1] = to.secs.max(span[0] + SECS_MIN);
                }
                if let (Some(band), Some(hz)) = (&mut band, to.hz) {
                    if low {
                        band[0] = hz.min(band[1] - BAND_MIN_HZ).max(0.0);
                    } else if high {
                        band[1] = hz.max(band[0] + BAND_MIN_HZ);
                    }
                }
                self.set_chosen(span, band);
            }
            Some(Held::Whole(last)) => {
                let Some((span, band)) = self.chosen_parts() else { return };
                let secs = (to.secs - last.secs).clamp(-span[0], self.secs - span[1]);
                let hz = to.hz.zip(last.hz).map_or(0.0, |(now, before)| now - before);
                let band = band.map(|[low, high]| {
                    let by = hz.clamp(-low, (self.high_hz - high).max(-low));
                    [low + by, high + by]
                });
                if secs != 0.0 || hz != 0.0 {
                    self.set_chosen(span.map(|v| v + secs), band);
                }
                self.held = Some(Held::Whole(to));
            }
            None => {}
        }
    }

    /// The pointer went up.
    pub fn release(&mut self) {
        match self.held.take() {
            Some(Held::New(a, b)) => {
                if let Some((span, band)) = drawn(a, b) {
                    self.push(span, band);
                }
            }
            Some(_) if self.undo.last() == Some(&self.regions) => {
                // It was only chosen.
                self.undo.pop();
            }
            _ => {}
        }
    }

    /// What the held pointer has drawn so far.
    pub fn preview(&self) -> Option<Shape> {
        let Some(Held::New(a, b)) = self.held else { return None };
        drawn(a, b).map(|(span_secs, band_hz)| Shape::Span { span_secs, band_hz })
    }
}

fn drawn(a: Spot, b: Spot) -> Option<(Stretch, Option<Stretch>)> {
    let span = ordered([a.secs, b.secs]);
    let band = a.hz.zip(b.hz).map(|(a, b)| ordered([a, b])).filter(|[low, high]| high - low >= BAND_MIN_HZ);
    (span[1] - span[0] >= SECS_MIN).then_some((span, band))
}

/// Which of left, right, low and high lie within reach.
fn edges((span, band): (Stretch, Option<Stretch>), at: Spot, reach: Reach) -> [bool; 4] {
    let is_along = at.secs >= span[0] - reach.secs && at.secs <= span[1] + reach.secs;
    let is_within = match (band, at.hz) {
        (Some([low, high]), Some(_)) => reach.band_hz[1] >= low && reach.band_hz[0] <= high,
        _ => true,
    };
    let is_near = |edge: f64| is_within && (edge - at.secs).abs() <= reach.secs;
    let is_level = |edge: Option<f64>| {
        is_along
            && at.hz.is_some()
            && edge.is_some_and(|hz| (reach.band_hz[0]..=reach.band_hz[1]).contains(&hz))
    };
    let (left, right) = (is_near(span[0]), is_near(span[1]));
    let (low, high) = (is_level(band.map(|b| b[0])), is_level(band.map(|b| b[1])));
    [left, right && !left, low, high && !low]
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: Reach = Reach { secs: 0.01, band_hz: [0.0, 0.0] };

    fn spot(secs: f64, hz: f64) -> Spot {
        Spot { secs, hz: Some(hz) }
    }

    fn near(hz: f64) -> Reach {
        Reach { secs: 0.01, band_hz: [hz - 20.0, hz + 20.0] }
    }

    fn drag(editor: &mut SpanEditor, from: Spot, to: Spot) {
        editor.press(from, near(from.hz.unwrap_or(0.0)));
        editor.drag(to);
        editor.release();
    }

    fn editor() -> SpanEditor {
        let mut editor = SpanEditor::new(Vec::new(), 5.0, 8000.0, "rattle");
        drag(&mut editor, spot(1.0, 500.0), spot(2.0, 1500.0));
        editor
    }

    fn span(from: f64, to: f64, band_hz: Option<Stretch>) -> Shape {
        Shape::Span { span_secs: [from, to], band_hz }
    }

    #[test]
    fn stretches_split_and_merge_as_sets_do() {
        assert_eq!(split([1.0, 3.0], 1.5), Some([[1.0, 1.5], [1.5, 3.0]]));
        assert_eq!((split([1.0, 3.0], 1.0), split([1.0, 3.0], 3.5)), (None, None));
        let (a, b) = (span(1.0, 2.0, Some([100.0, 200.0])), span(4.0, 5.0, Some([150.0, 900.0])));
        assert_eq!(merged(&a, &b), Some(span(1.0, 5.0, Some([100.0, 900.0]))));
        assert_eq!(merged(&a, &span(0.5, 1.0, None)), Some(span(0.5, 2.0, None)));
        assert_eq!(merged(&a, &Shape::Whole), None);
    }

    #[test]
    fn every_change_can_be_taken_back_and_done_again() {
        let mut editor = editor();
        assert_eq!(editor.regions[0].shape, span(1.0, 2.0, Some([500.0, 1500.0])));
        let mut stages = vec![editor.regions.clone()];
        let mut step = |editor: &SpanEditor, expected: &[Shape]| {
            let shapes: Vec<Shape> = editor.regions.iter().map(|region| region.shape.clone()).collect();
            assert_eq!(shapes, expected);
            stages.push(editor.regions.clone());
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
        editor.step(true);
        editor.shift(1.0, 0.0);
        step(&editor, &[span(1.25, 2.25, Some([600.0, 2100.0])), span(3.25, 4.25, Some([600.0, 2100.0]))]);
        editor.merge();
        step(&editor, &[span(1.25, 4.25, Some([600.0, 2100.0]))]);
        editor.grow(0.25);
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0]))]);
        editor.set_class("rub");
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0]))]);
        editor.add(2.0, 1.0);
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0])), span(1.5, 2.5, None)]);
        editor.delete();
        step(&editor, &[span(1.0, 4.5, Some([600.0, 2100.0]))]);
        for before in stages.iter().rev().skip(1) {
            assert!(editor.undo());
            assert_eq!(editor.regions, *before);
        }
        for after in &stages[1..] {
            assert!(editor.redo());
            assert_eq!(editor.regions, *after);
        }
    }

    #[test]
    fn slips_make_nothing_a_click_only_chooses_and_nothing_leaves_the_sound() {
        let mut editor = editor();
        drag(&mut editor, spot(4.0, 100.0), spot(4.0, 900.0));
        assert_eq!(editor.regions.len(), 1);
        editor.tool = SpanTool::Select;
        editor.press(spot(4.0, 100.0), REACH);
        editor.release();
        assert_eq!(editor.chosen, None);
        editor.press(spot(1.5, 1000.0), near(1000.0));
        editor.release();
        assert_eq!(editor.chosen, Some(0));
        editor.shift(100.0, 0.0);
        assert_eq!(editor.chosen_span(), Some([4.0, 5.0]));
        assert!(!editor.split_at(0.5));
        // On the waveform a stretch has no band.
        editor.tool = SpanTool::Draw;
        drag(&mut editor, Spot { secs: 0.5, hz: None }, Spot { secs: 9.0, hz: None });
        assert_eq!(editor.regions[1].shape, span(0.5, 5.0, None));
    }
}
