//! Everything a person can do in the window, in one table: keys, tooltips, the command palette, the key
//! sheet and the key settings are all made from it.

use super::texts::tr;
use crate::domain::Level;

/// Classes that have a digit.
pub const CLASS_KEYS: u8 = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Good,
    /// The plan's defect class of this number, from 1.
    Class(u8),
    CannotTell,
    BadInput,
    Keep,
    Skip,
    Undo,
    Comment,
    Leave,
    PreviousPicture,
    NextPicture,
    HideMarks,
    Heat,
    Fit,
    OneToOne,
    ZoomIn,
    ZoomOut,
    PanLeft,
    PanRight,
    PanUp,
    PanDown,
    Loupe,
    Reference,
    Brighter,
    Darker,
    MoreContrast,
    LessContrast,
    MoreGamma,
    LessGamma,
    Channel,
    Edges,
    ResetLook,
    Play,
    PlayRegion,
    Loop,
    Slower,
    Faster,
    ZoomToRegion,
    CursorLeft,
    CursorRight,
    NextWord,
    PreviousWord,
    HearWord,
    Filter,
    History,
    Edit,
    ToolSelect,
    ToolBox,
    ToolPolygon,
    ToolBrush,
    ToolEraser,
    ToolCut,
    BrushLarger,
    BrushSmaller,
    NextRegion,
    PreviousRegion,
    MoveLeft,
    MoveRight,
    MoveUp,
    MoveDown,
    Grow,
    Shrink,
    Merge,
    DeleteRegion,
    BeginAtCursor,
    EndAtCursor,
    Redo,
    PageReview,
    PageLine,
    PageLabels,
    PageModels,
    PagePromise,
    PageSettings,
    Stop,
    Level(Level),
    Rollback,
    Pause,
    Palette,
    Keys,
    Theme,
    TextLarger,
    TextSmaller,
    TextNormal,
    OpenLine,
    NewLine,
    DemoLine,
    Import,
    Export,
    Train,
    ModelRelease,
    ModelErrors,
    ModelAudit,
    ModelData,
    Measure,
    IntoShadow,
    ShareOfLine,
    MakeLive,
    Retire,
    Backup,
}

/// Where a key means its verb. `Edit`, `Sound` and `Speech` are parts of `Review` with keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Everywhere,
    Review,
    /// A part of `Review` as well: a sound is on the screen.
    Sound,
    /// The same, and the line writes down what is said.
    Speech,
    Edit,
}

impl Scope {
    /// Whether two keys of these scopes can mean something at the same time. Inside the parts of
    /// `Review` their own keys come first, so that a key may mean one thing to a tool and another to an answer.
    pub fn overlaps(self, other: Self) -> bool {
        self == other || self == Self::Everywhere || other == Self::Everywhere
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Answer,
    View,
    Regions,
    Pages,
    Program,
}

impl Group {
    pub const ALL: [Self; 5] = [Self::Answer, Self::View, Self::Regions, Self::Pages, Self::Program];

    pub fn title(self) -> &'static str {
        tr(match self {
            Self::Answer => "Answer",
            Self::View => "Look",
            Self::Regions => "Regions",
            Self::Pages => "Pages",
            Self::Program => "Program",
        })
    }
}

pub struct About {
    pub verb: Verb,
    pub group: Group,
    pub scope: Scope,
    key: &'static str,
    label: &'static str,
    hint: &'static str,
}

impl About {
    pub fn label(&self) -> &'static str {
        tr(self.label)
    }

    pub fn hint(&self) -> &'static str {
        tr(self.hint)
    }
}

impl Verb {
    pub fn about(self) -> &'static About {
        // Every verb is in the table (tested); the first stands in for one that is not.
        TABLE.iter().find(|about| about.verb == self).unwrap_or(&TABLE[0])
    }

    /// The word by which key settings name it.
    pub fn id(self) -> String {
        match self {
            Self::Class(number) => format!("class-{number}"),
            Self::Level(level) => format!("level-{level}"),
            other => format!("{other:?}"),
        }
    }

    /// A held key repeats it.
    fn repeats(self) -> bool {
        matches!(
            self,
            Self::ZoomIn
                | Self::ZoomOut
                | Self::PanLeft
                | Self::PanRight
                | Self::PanUp
                | Self::PanDown
                | Self::CursorLeft
                | Self::CursorRight
                | Self::Brighter
                | Self::Darker
                | Self::MoreContrast
                | Self::LessContrast
                | Self::MoreGamma
                | Self::LessGamma
                | Self::MoveLeft
                | Self::MoveRight
                | Self::MoveUp
                | Self::MoveDown
                | Self::Grow
                | Self::Shrink
                | Self::BrushLarger
                | Self::BrushSmaller
        )
    }
}

#[path = "keymap.rs"]
mod keymap;
#[path = "verb_table.rs"]
mod table;
pub use keymap::Keymap;
pub use table::TABLE;

#[cfg(test)]
#[path = "verbs_tests.rs"]
mod tests;
