//! Regions under work: which one is chosen, which class the next one gets, and the steps that undo takes
//! back. Pure; what can be done to a shape is each editor's own.

use crate::domain::{Region, Shape};

/// Steps that undo takes back; regions are small, people do not draw more on one item.
const UNDO_MAX: usize = 500;

/// Changes of one region that make one step of undo, however often they come in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Move,
    Grow,
    Drag,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regions {
    list: Vec<Region>,
    chosen: Option<usize>,
    /// Of the next region.
    pub class: String,
    undo: Vec<Vec<Region>>,
    redo: Vec<Vec<Region>>,
    /// What the newest step of undo goes on with.
    going_on: Option<(Change, usize)>,
}

impl Regions {
    /// The first one that has a place is chosen.
    pub fn new(list: Vec<Region>, class: &str, has_place: impl Fn(&Shape) -> bool) -> Self {
        let chosen = list.iter().position(|region| has_place(&region.shape));
        Self { list, chosen, class: class.to_owned(), ..Self::default() }
    }

    pub fn list(&self) -> &[Region] {
        &self.list
    }

    /// The one class of all of them, where there is one.
    pub fn only_class(&self) -> Option<&str> {
        let first = self.list.first()?.class.as_str();
        self.list.iter().all(|region| region.class == first).then_some(first)
    }

    pub fn chosen(&self) -> Option<usize> {
        self.chosen
    }

    pub fn chosen_shape(&self) -> Option<&Shape> {
        Some(&self.list.get(self.chosen?)?.shape)
    }

    /// The next region gets the class of the chosen one.
    pub fn choose(&mut self, at: Option<usize>) {
        self.going_on = None;
        self.chosen = at.filter(|&at| at < self.list.len());
        if let Some(at) = self.chosen {
            self.list[at].class.clone_into(&mut self.class);
        }
    }

    /// None is chosen; the class of new ones stays.
    pub fn leave(&mut self) {
        (self.chosen, self.going_on) = (None, None);
    }

    /// Chooses the next region, or the one before.
    pub fn step(&mut self, forward: bool) {
        let n = self.list.len();
        if n > 0 {
            let by = if forward { 1 } else { n - 1 };
            let next = self.chosen.map_or(if forward { 0 } else { n - 1 }, |at| (at + by) % n);
            self.going_on = None;
            self.chosen = Some(next);
        }
    }

    fn remember(&mut self) {
        if self.undo.len() == UNDO_MAX {
            self.undo.remove(0);
        }
        self.undo.push(self.list.clone());
        self.redo.clear();
        self.going_on = None;
    }

    pub fn is_changed(&self) -> bool {
        !self.undo.is_empty()
    }

    /// As if they had been there from the beginning.
    pub fn forget_changes(&mut self) {
        (self.undo, self.redo, self.going_on) = (Vec::new(), Vec::new(), None);
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        let Some(before) = self.undo.pop() else { return false };
        self.redo.push(std::mem::replace(&mut self.list, before));
        self.stay();
        true
    }

    pub fn redo(&mut self) -> bool {
        let Some(after) = self.redo.pop() else { return false };
        self.undo.push(std::mem::replace(&mut self.list, after));
        self.stay();
        true
    }

    /// The chosen one stays chosen, if it is still there.
    fn stay(&mut self) {
        self.going_on = None;
        self.chosen = self.chosen.filter(|&at| at < self.list.len());
    }

    pub fn push(&mut self, shape: Shape) {
        self.remember();
        self.list.push(Region::new(&self.class, shape));
        self.chosen = Some(self.list.len() - 1);
    }

    /// The chosen region gets a class; without one, the next region does.
    pub fn set_class(&mut self, class: &str) {
        class.clone_into(&mut self.class);
        if let Some(at) = self.chosen
            && self.list[at].class != class
        {
            self.remember();
            class.clone_into(&mut self.list[at].class);
            self.list[at].score = None;
        }
    }

    pub fn delete(&mut self) {
        if let Some(at) = self.chosen {
            self.remember();
            self.list.remove(at);
            self.chosen = (!self.list.is_empty()).then(|| at.min(self.list.len() - 1));
        }
    }

    /// Gives the chosen region another shape, as one step with others of its kind before.
    pub fn reshape(&mut self, change: Change, shape: Shape) {
        let Some(at) = self.chosen.filter(|&at| self.list[at].shape != shape) else { return };
        if self.going_on != Some((change, at)) {
            self.remember();
            self.going_on = Some((change, at));
        }
        self.put(at, shape);
    }

    /// The same as a step of its own.
    pub fn replace(&mut self, shape: Shape) {
        self.going_on = None;
        self.reshape(Change::Drag, shape);
        self.going_on = None;
    }

    fn put(&mut self, at: usize, shape: Shape) {
        self.list[at].shape = shape;
        // Whoever moved it has not measured a probability.
        self.list[at].score = None;
    }

    /// What is held was let go: a way there and back was no change.
    pub fn end_drag(&mut self) {
        if let Some((Change::Drag, _)) = self.going_on.take()
            && self.undo.last() == Some(&self.list)
        {
            self.undo.pop();
        }
    }

    /// Makes two regions of one.
    pub fn split(&mut self, at: usize, [first, second]: [Shape; 2]) {
        self.remember();
        let class = self.list[at].class.clone();
        self.put(at, first);
        self.list.insert(at + 1, Region::new(class, second));
        self.chosen = Some(at);
    }

    /// The chosen region takes in the nearest one of its class. `gap` is how far two shapes lie apart,
    /// `joined` what holds both; neither has an answer for shapes without a place.
    pub fn merge(
        &mut self,
        gap: impl Fn(&Shape, &Shape) -> Option<f64>,
        joined: impl Fn(&Shape, &Shape) -> Option<Shape>,
    ) {
        let Some(at) = self.chosen else { return };
        let own = &self.list[at];
        let nearest = (0..self.list.len())
            .filter(|&other| other != at && self.list[other].class == own.class)
            .filter_map(|other| Some((other, gap(&own.shape, &self.list[other].shape)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((other, _)) = nearest else { return };
        let Some(shape) = joined(&own.shape, &self.list[other].shape) else { return };
        self.remember();
        self.put(at, shape);
        self.list.remove(other);
        self.chosen = Some(if other < at { at - 1 } else { at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: f64, to: f64) -> Shape {
        Shape::Span { span_secs: [from, to], band_hz: None }
    }

    fn two() -> Regions {
        let whole = Region::new("crack", Shape::Whole);
        Regions::new(vec![whole, Region::new("rub", span(1.0, 2.0))], "rub", |shape| *shape != Shape::Whole)
    }

    #[test]
    fn changes_of_one_kind_in_a_row_are_one_step_and_what_changes_nothing_is_none() {
        let mut regions = two();
        assert_eq!(regions.chosen(), Some(1), "what has no place is not chosen first");
        for from in [1.1, 1.2, 1.3] {
            regions.reshape(Change::Move, span(from, 2.0));
        }
        regions.reshape(Change::Move, span(1.3, 2.0));
        regions.reshape(Change::Grow, span(1.0, 2.5));
        assert!(regions.undo());
        assert_eq!(regions.list()[1].shape, span(1.3, 2.0));
        assert!(regions.undo());
        assert_eq!(regions.list()[1].shape, span(1.0, 2.0));
        assert!(!regions.undo() && !regions.is_changed());
        // After a step back the next nudge is a step of its own again.
        regions.reshape(Change::Move, span(1.5, 2.0));
        assert!(regions.undo());
        assert_eq!(regions.list()[1].shape, span(1.0, 2.0));
    }

    #[test]
    fn a_drag_there_and_back_is_no_change_and_keeps_what_could_be_done_again() {
        let mut regions = two();
        regions.set_class("hum");
        assert!(regions.undo());
        regions.end_drag();
        assert!(regions.redo(), "a click alone takes nothing from redo");
        regions.reshape(Change::Drag, span(1.2, 2.2));
        regions.reshape(Change::Drag, span(1.0, 2.0));
        regions.end_drag();
        assert!(regions.undo() && regions.list()[1].class == "rub");
    }

    #[test]
    fn one_class_is_known_where_all_have_it() {
        let mut regions = two();
        assert_eq!(regions.only_class(), None);
        regions.set_class("crack");
        assert_eq!(regions.only_class(), Some("crack"));
        assert_eq!(Regions::default().only_class(), None);
    }
}
