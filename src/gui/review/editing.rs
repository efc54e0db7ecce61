//! The editor on the page: when it opens and closes, what keys do to it, and what of it becomes part of an
//! answer. What was drawn is never lost with the item: it waits as a draft.

use super::super::page::Page;
use super::super::verbs::Verb;
use super::ReviewPage;
use super::answer::{Answer, defect_classes, is_revealed, kept_regions};
use super::camera;
use super::drafts::{Draft, Drawn};
use super::edit::{Editor, Tool};
use super::regions::Regions;
use crate::domain::{Label, Region};
use crate::engine::Card;

impl ReviewPage {
    pub(super) fn regions(&self) -> Option<&Regions> {
        self.draft.as_ref().map(|draft| draft.drawn.regions())
    }

    pub(super) fn set_class(&mut self, class: &str) {
        if let Some(draft) = &mut self.draft {
            draft.drawn.regions_mut().set_class(class);
        }
    }

    /// Takes back one change of a region; `false` where there is none.
    pub(super) fn undo_region(&mut self) -> bool {
        let has_undone = self.draft.as_mut().is_some_and(|draft| draft.drawn.undo());
        self.drop_unchanged();
        has_undone
    }

    /// Regions that nobody touched or confirmed are shown as what they are: the label's, or the model's.
    fn drop_unchanged(&mut self) {
        let is_open = self.is_editing;
        self.draft.take_if(|draft| !is_open && !draft.is_confirmed && !draft.drawn.regions().is_changed());
    }

    /// The item is left: what was drawn on it waits for it.
    pub(super) fn put_draft_by(&mut self) {
        self.is_editing = false;
        self.drop_unchanged();
        let Some((item, _)) = self.of else { return };
        let Some(mut draft) = self.draft.take() else { return };
        draft.is_answered = self.is_saving;
        if draft.is_answered {
            // Undo walks on to the item before, not back through these strokes.
            draft.drawn.regions_mut().forget_changes();
            draft.is_confirmed = true;
        }
        self.drafts.put(item, draft);
    }

    /// What an answer says stays at hand for its undoing, drawn here or not.
    pub(super) fn keep_answered(&mut self, regions: Vec<Region>) {
        if self.draft.is_none() && !regions.is_empty() {
            self.begin_draft(regions, Label::GOOD);
        }
    }

    /// `false` while it is not known how large the item is.
    fn begin_draft(&mut self, regions: Vec<Region>, class: &str) -> bool {
        let drawn = if self.is_sound {
            self.sound.editor(regions, class).map(Drawn::Sound)
        } else {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a picture's sides")]
            let size = self.area.map(|(_, size)| [size.x as u32, size.y as u32]);
            size.map(|size| Drawn::Picture(Editor::new(regions, size, class)))
        };
        self.draft = drawn.map(|drawn| Draft { drawn, is_confirmed: false, is_answered: false });
        self.draft.is_some()
    }

    /// What was drawn or confirmed, where something was; else what an answer repeats.
    pub(super) fn regions_of_answer(&self, card: &Card, answer: &Answer) -> Vec<Region> {
        self.regions().map_or_else(|| kept_regions(card, answer), |regions| regions.list().to_vec())
    }

    /// The answer that the regions give by themselves.
    pub(super) fn class_of_regions(&self) -> Option<String> {
        self.regions()?.only_class().map(str::to_owned)
    }

    pub(super) fn toggle_editor(&mut self, page: &mut Page<'_>) {
        if self.is_editing {
            self.close_editor(false);
            return;
        }
        let Some(card) = page.card().filter(|_| self.shown_at.is_some()) else { return };
        let class = match (&self.first, defect_classes(&page.session.plan).first()) {
            (Some(Answer::Class(class)), _) if class != Label::GOOD => class.clone(),
            (_, first) => first.map_or_else(|| Label::GOOD.to_owned(), |class| (*class).to_owned()),
        };
        self.is_editing = self.draft.is_some() || self.begin_draft(self.known_regions(&card), &class);
    }

    /// What an editor begins with: the person's own regions, else the label's, else the model's where
    /// they may be seen.
    fn known_regions(&self, card: &Card) -> Vec<Region> {
        let label = card.label.as_ref().map(|label| label.regions.clone());
        let model = card.prediction.as_ref().filter(|_| is_revealed(card, self.first.as_ref()));
        match (&card.own, label, model) {
            (Some(own), ..) if !own.regions.is_empty() => own.regions.clone(),
            (_, Some(regions), _) if !regions.is_empty() => regions,
            (_, _, Some(prediction)) => prediction.regions.clone(),
            _ => Vec::new(),
        }
    }

    /// Whoever confirms says that the regions are right as they are.
    pub(super) fn close_editor(&mut self, is_confirmed: bool) {
        if let Some(Draft { drawn: Drawn::Picture(editor), .. }) = &mut self.draft
            && !editor.corners.is_empty()
        {
            editor.close_polygon();
            return;
        }
        self.is_editing = false;
        if let Some(draft) = &mut self.draft {
            draft.is_confirmed |= is_confirmed;
        }
        self.drop_unchanged();
    }

    /// What a key does to the regions of a picture.
    pub(super) fn perform_edit(&mut self, verb: Verb) {
        let Some((area, size)) = self.area.filter(|_| self.is_editing) else { return };
        let scale = self.camera.scale(area, size);
        // A step that can be seen, and never less than a pixel.
        let step = (4.0 / scale).max(1.0).round();
        let middle = self.camera.image_from_screen(area, size, area.center());
        let side = (area.width().min(area.height()) / scale / 6.0).max(2.0);
        let Some(Draft { drawn: Drawn::Picture(editor), .. }) = &mut self.draft else { return };
        match verb {
            Verb::ToolSelect => editor.set_tool(Tool::Select),
            Verb::ToolBox if editor.tool == Tool::Box => editor.add_box(camera::clamped(middle, size), side),
            Verb::ToolBox => editor.set_tool(Tool::Box),
            Verb::ToolPolygon => editor.set_tool(Tool::Polygon),
            Verb::ToolBrush => editor.set_tool(Tool::Brush),
            Verb::ToolEraser => editor.set_tool(Tool::Eraser),
            Verb::ToolCut => editor.set_tool(Tool::Cut),
            Verb::BrushLarger => editor.scale_brush(1.25),
            Verb::BrushSmaller => editor.scale_brush(0.8),
            Verb::MoveLeft => editor.shift(-step, 0.0),
            Verb::MoveRight => editor.shift(step, 0.0),
            Verb::MoveUp => editor.shift(0.0, -step),
            Verb::MoveDown => editor.shift(0.0, step),
            #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
            Verb::Grow => editor.grow(step as i32),
            #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
            Verb::Shrink => editor.grow(-(step as i32)),
            Verb::Merge => editor.merge(),
            verb => perform_on(&mut editor.regions, verb),
        }
    }
}

/// What keys do to regions of any kind.
pub(super) fn perform_on(regions: &mut Regions, verb: Verb) {
    match verb {
        Verb::NextRegion => regions.step(true),
        Verb::PreviousRegion => regions.step(false),
        Verb::DeleteRegion => regions.delete(),
        Verb::Redo => {
            regions.redo();
        }
        _ => {}
    }
}
