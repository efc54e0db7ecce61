//! Regions that somebody drew on items that are not on the screen now: without an answer yet, or with one
//! that may be taken back. Each waits for its item.

use super::edit::Editor;
use super::regions::Regions;
use super::sound::SpanEditor;
use crate::domain::ItemId;
use std::collections::VecDeque;

/// Items whose drafts are kept; of more the oldest go.
const DRAFTS_MAX: usize = 256;

/// What was drawn on one item.
#[derive(Clone)]
pub enum Drawn {
    Picture(Editor),
    Sound(SpanEditor),
}

impl Drawn {
    pub fn regions(&self) -> &Regions {
        match self {
            Self::Picture(editor) => &editor.regions,
            Self::Sound(editor) => &editor.regions,
        }
    }

    pub fn regions_mut(&mut self) -> &mut Regions {
        match self {
            Self::Picture(editor) => &mut editor.regions,
            Self::Sound(editor) => &mut editor.regions,
        }
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        match self {
            Self::Picture(editor) => editor.undo(),
            Self::Sound(editor) => editor.undo(),
        }
    }
}

#[derive(Clone)]
pub struct Draft {
    pub drawn: Drawn,
    /// The person said that they are right as they are, changed or not.
    pub is_confirmed: bool,
    /// They are in an answer that stands, unless it is taken back.
    pub is_answered: bool,
}

#[derive(Default)]
pub struct Drafts {
    kept: VecDeque<(ItemId, Draft)>,
}

impl Drafts {
    pub fn put(&mut self, item: ItemId, draft: Draft) {
        self.kept.retain(|(other, _)| *other != item);
        if self.kept.len() == DRAFTS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((item, draft));
    }

    /// What waits for an item. Where its answer stands, that is what the item shows, and the draft stays.
    pub fn take(&mut self, item: ItemId, is_waiting: bool) -> Option<Draft> {
        let fits = |(other, draft): &(ItemId, Draft)| *other == item && (is_waiting || !draft.is_answered);
        let at = self.kept.iter().position(fits)?;
        self.kept.remove(at).map(|(_, draft)| draft)
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(is_answered: bool) -> Draft {
        let drawn = Drawn::Picture(Editor::new(Vec::new(), [10, 10], "crack"));
        Draft { drawn, is_confirmed: true, is_answered }
    }

    #[test]
    fn drafts_are_kept_for_their_items_up_to_a_limit_and_answered_ones_wait_for_undo() {
        let mut drafts = Drafts::default();
        let items: Vec<ItemId> = (0..DRAFTS_MAX + 2).map(|_| ItemId::generate()).collect();
        for &item in &items {
            drafts.put(item, draft(false));
        }
        assert!(drafts.take(items[0], true).is_none() && drafts.take(items[1], true).is_none());
        assert!(drafts.take(items[2], false).is_some() && drafts.take(items[2], false).is_none());
        drafts.put(items[3], draft(true));
        assert!(drafts.take(items[3], false).is_none(), "a standing answer is not drawn over");
        assert!(drafts.take(items[3], true).is_some());
    }
}
