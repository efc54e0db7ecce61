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

const fn about(
    verb: Verb,
    group: Group,
    scope: Scope,
    key: &'static str,
    label: &'static str,
    hint: &'static str,
) -> About {
    About { verb, group, scope, key, label, hint }
}

use Group::{Answer, Pages, Program, Regions, View};
use Scope::{Everywhere, Review};

/// Every verb once, in the order of the key sheet. An empty key is one that nothing is set to.
pub const TABLE: &[About] = &[
    about(Verb::Good, Answer, Review, "G", "Good", "The item has no defect"),
    about(Verb::Class(1), Answer, Review, "1", "Class 1", "The first defect class of the plan"),
    about(Verb::Class(2), Answer, Review, "2", "Class 2", "The second defect class of the plan"),
    about(Verb::Class(3), Answer, Review, "3", "Class 3", "The third defect class of the plan"),
    about(Verb::Class(4), Answer, Review, "4", "Class 4", "The fourth defect class of the plan"),
    about(Verb::Class(5), Answer, Review, "5", "Class 5", "The fifth defect class of the plan"),
    about(Verb::Class(6), Answer, Review, "6", "Class 6", "The sixth defect class of the plan"),
    about(Verb::Class(7), Answer, Review, "7", "Class 7", "The seventh defect class of the plan"),
    about(Verb::Class(8), Answer, Review, "8", "Class 8", "The eighth defect class of the plan"),
    about(Verb::Class(9), Answer, Review, "9", "Class 9", "The ninth defect class of the plan"),
    about(
        Verb::CannotTell,
        Answer,
        Review,
        "0",
        "Cannot tell",
        "It does not decide the matter; the unit is set aside",
    ),
    about(Verb::BadInput, Answer, Review, "B", "Bad input", "There is nothing in it that could be judged"),
    about(
        Verb::Keep,
        Answer,
        Review,
        "Enter",
        "Keep",
        "Keep the answer after the suggestion was shown; else answer with the class of the regions",
    ),
    about(Verb::Skip, Answer, Review, "S", "Skip", "Look at this item later"),
    about(Verb::Undo, Answer, Review, "Z", "Undo", "Take the last answer, skip or change of a region back"),
    about(Verb::Comment, Answer, Review, "T", "Comment", "Say why, with the next answer"),
    about(
        Verb::PreviousPicture,
        Answer,
        Review,
        "PageUp",
        "Previous item",
        "The picture or sound before, of the same unit",
    ),
    about(
        Verb::NextPicture,
        Answer,
        Review,
        "PageDown",
        "Next item",
        "The next picture or sound of the same unit",
    ),
    about(Verb::Leave, Answer, Review, "Escape", "Back", "Leave the editor or the item, back to the queue"),
    about(
        Verb::HideMarks,
        View,
        Review,
        "H",
        "Hide marks",
        "While held, nothing lies over what is looked at",
    ),
    about(Verb::Heat, View, Review, "M", "Heat map", "Where the model sees it, on the fixed scale"),
    about(Verb::Fit, View, Review, "F", "Fit", "All of it"),
    about(
        Verb::OneToOne,
        View,
        Review,
        "Space",
        "1 : 1",
        "One pixel of the picture for one of the screen, and back",
    ),
    about(Verb::ZoomIn, View, Review, "Plus", "Zoom in", "Larger, around the pointer"),
    about(Verb::ZoomOut, View, Review, "Minus", "Zoom out", "Smaller, around the pointer"),
    about(Verb::PanLeft, View, Review, "Left", "Pan left", "Show what lies to the left"),
    about(Verb::PanRight, View, Review, "Right", "Pan right", "Show what lies to the right"),
    about(Verb::PanUp, View, Review, "Up", "Pan up", "Show what lies above"),
    about(Verb::PanDown, View, Review, "Down", "Pan down", "Show what lies below"),
    about(Verb::Loupe, View, Review, "L", "Loupe", "A magnified square at the pointer"),
    about(
        Verb::Reference,
        View,
        Review,
        "R",
        "Reference",
        "The golden picture: beside, in turn, as a difference, off",
    ),
    about(
        Verb::Brighter,
        View,
        Review,
        "Ctrl+Up",
        "Brighter",
        "More light on the picture; more gain on a sound",
    ),
    about(
        Verb::Darker,
        View,
        Review,
        "Ctrl+Down",
        "Darker",
        "Less light on the picture; less gain on a sound",
    ),
    about(
        Verb::MoreContrast,
        View,
        Review,
        "Ctrl+Right",
        "More contrast",
        "Larger differences of brightness; of a sound a smaller range",
    ),
    about(
        Verb::LessContrast,
        View,
        Review,
        "Ctrl+Left",
        "Less contrast",
        "Smaller differences of brightness; of a sound a larger range",
    ),
    about(Verb::MoreGamma, View, Review, "Ctrl+PageUp", "Lift shadows", "Dark parts become brighter"),
    about(Verb::LessGamma, View, Review, "Ctrl+PageDown", "Deepen shadows", "Dark parts become darker"),
    about(Verb::Channel, View, Review, "C", "Channel", "All channels, red, green, blue"),
    about(Verb::Edges, View, Review, "V", "Edges", "The picture's edges alone"),
    about(Verb::ResetLook, View, Review, "X", "Plain picture", "As the camera gave it"),
    about(Verb::Play, View, Scope::Sound, "Space", "Play or pause", "The sound, from its highlight first"),
    about(
        Verb::PlayRegion,
        View,
        Scope::Sound,
        "Y",
        "Play the region",
        "The chosen stretch or the likeliest, else what is on the screen",
    ),
    about(Verb::Loop, View, Scope::Sound, "O", "Loop", "Again and again, the region where there is one"),
    about(Verb::Slower, View, Scope::Sound, "Comma", "Slower", "To half the speed, at the same pitch"),
    about(Verb::Faster, View, Scope::Sound, "Period", "Faster", "To twice the speed, at the same pitch"),
    about(
        Verb::ZoomToRegion,
        View,
        Scope::Sound,
        "U",
        "Zoom to the region",
        "The chosen stretch of a sound, or the likeliest, as large as there is room",
    ),
    about(Verb::CursorLeft, View, Scope::Sound, "Alt+Left", "Cursor left", "An earlier moment of the sound"),
    about(Verb::CursorRight, View, Scope::Sound, "Alt+Right", "Cursor right", "A later moment of the sound"),
    about(
        Verb::NextWord,
        Answer,
        Scope::Speech,
        "F8",
        "Next uncertain word",
        "Shown, heard, and chosen where it is written, so that typing replaces it alone",
    ),
    about(
        Verb::PreviousWord,
        Answer,
        Scope::Speech,
        "Shift+F8",
        "Previous uncertain word",
        "The one before; where no word is uncertain, each in turn",
    ),
    about(
        Verb::HearWord,
        Answer,
        Scope::Speech,
        "F7",
        "Hear it again",
        "The chosen word, else what is on the screen; while writing too",
    ),
    about(Verb::Filter, View, Review, "Ctrl+F", "Filter the queue", "Only some of the waiting items"),
    about(Verb::History, View, Review, "I", "History", "Everything that happened to this item"),
    about(Verb::Edit, Regions, Review, "E", "Edit regions", "Draw and correct where the defect is"),
    about(Verb::ToolSelect, Regions, Scope::Edit, "A", "Select", "Choose, move and reshape a region"),
    about(
        Verb::ToolBox,
        Regions,
        Scope::Edit,
        "Q",
        "Box",
        "Draw a box; on a sound a stretch of time, with its band",
    ),
    about(
        Verb::ToolPolygon,
        Regions,
        Scope::Edit,
        "P",
        "Polygon",
        "Click corners; Enter or the first corner closes",
    ),
    about(Verb::ToolBrush, Regions, Scope::Edit, "W", "Brush", "Paint a mask"),
    about(Verb::ToolEraser, Regions, Scope::Edit, "D", "Eraser", "Take away from a region"),
    about(
        Verb::ToolCut,
        Regions,
        Scope::Edit,
        "K",
        "Split",
        "Draw a line through a region to make two; a sound's is split at the cursor",
    ),
    about(Verb::BrushLarger, Regions, Scope::Edit, "Period", "Larger brush", "A wider brush and eraser"),
    about(Verb::BrushSmaller, Regions, Scope::Edit, "Comma", "Smaller brush", "A narrower brush and eraser"),
    about(Verb::NextRegion, Regions, Scope::Edit, "N", "Next region", "Choose the next region"),
    about(
        Verb::PreviousRegion,
        Regions,
        Scope::Edit,
        "Shift+N",
        "Previous region",
        "Choose the region before",
    ),
    about(
        Verb::MoveLeft,
        Regions,
        Scope::Edit,
        "Shift+Left",
        "Move left",
        "The chosen region, by a pixel of the screen or more",
    ),
    about(Verb::MoveRight, Regions, Scope::Edit, "Shift+Right", "Move right", "The chosen region"),
    about(Verb::MoveUp, Regions, Scope::Edit, "Shift+Up", "Move up", "The chosen region"),
    about(Verb::MoveDown, Regions, Scope::Edit, "Shift+Down", "Move down", "The chosen region"),
    about(Verb::Grow, Regions, Scope::Edit, "Shift+Plus", "Grow", "The chosen region, on all sides"),
    about(Verb::Shrink, Regions, Scope::Edit, "Shift+Minus", "Shrink", "The chosen region, on all sides"),
    about(
        Verb::Merge,
        Regions,
        Scope::Edit,
        "J",
        "Merge",
        "The chosen region and the nearest of its class become one",
    ),
    about(Verb::DeleteRegion, Regions, Scope::Edit, "Delete", "Delete region", "Take the chosen region away"),
    about(
        Verb::BeginAtCursor,
        Regions,
        Scope::Edit,
        "Shift+I",
        "Begin at the cursor",
        "The chosen stretch of a sound, if the cursor is in it; else a new one",
    ),
    about(
        Verb::EndAtCursor,
        Regions,
        Scope::Edit,
        "Shift+O",
        "End at the cursor",
        "The stretch of a sound that was begun, or the chosen one",
    ),
    about(Verb::Redo, Regions, Scope::Edit, "Shift+Z", "Redo", "Do again what undo took back"),
    about(Verb::PageReview, Pages, Everywhere, "F1", "Review", "What waits for a person"),
    about(Verb::PageLine, Pages, Everywhere, "F2", "Line", "What the line does now"),
    about(Verb::PageLabels, Pages, Everywhere, "F3", "Labels", "What is known of the items"),
    about(Verb::PageModels, Pages, Everywhere, "F4", "Models", "Packages, and training"),
    about(
        Verb::PagePromise,
        Pages,
        Everywhere,
        "F6",
        "Promise",
        "What the model may decide alone, on what evidence, and what escapes",
    ),
    about(Verb::PageSettings, Pages, Everywhere, "F5", "Settings", "The plan, keys and looks"),
    about(Verb::Stop, Program, Everywhere, "F12", "STOP", "Every item goes to a person, from now on"),
    about(
        Verb::Level(Level::Manual),
        Program,
        Everywhere,
        "",
        "Level Manual…",
        "People decide; no model runs",
    ),
    about(
        Verb::Level(Level::Shadow),
        Program,
        Everywhere,
        "",
        "Level Shadow…",
        "People decide without seeing what the model predicts",
    ),
    about(
        Verb::Level(Level::Assist),
        Program,
        Everywhere,
        "",
        "Level Assist…",
        "People decide everything, with the model's suggestion",
    ),
    about(
        Verb::Level(Level::Partial),
        Program,
        Everywhere,
        "",
        "Level Partial…",
        "The model decides what it is sure of; people decide the rest",
    ),
    about(
        Verb::Level(Level::Full),
        Program,
        Everywhere,
        "",
        "Level Full…",
        "The model decides everything that it can look at",
    ),
    about(
        Verb::Rollback,
        Program,
        Everywhere,
        "",
        "Roll back…",
        "The model that was live before decides from the next item on",
    ),
    about(
        Verb::Pause,
        Program,
        Everywhere,
        "Ctrl+P",
        "Pause or resume",
        "The line takes no items in while it pauses",
    ),
    about(Verb::Palette, Program, Everywhere, "Ctrl+K", "Commands", "Find anything by its name"),
    about(Verb::Keys, Program, Everywhere, "Questionmark", "All keys", "This sheet"),
    about(Verb::Theme, Program, Everywhere, "Ctrl+T", "Dark or light", "The other theme"),
    about(
        Verb::TextLarger,
        Program,
        Everywhere,
        "Ctrl+Plus",
        "Larger text",
        "Everything a step larger, to 200 %",
    ),
    about(
        Verb::TextSmaller,
        Program,
        Everywhere,
        "Ctrl+Minus",
        "Smaller text",
        "Everything a step smaller, to 80 %",
    ),
    about(Verb::TextNormal, Program, Everywhere, "Ctrl+0", "Text at 100 %", "The usual size"),
    about(Verb::OpenLine, Program, Everywhere, "Ctrl+O", "Open a line…", "A line's folder on this machine"),
    about(Verb::NewLine, Program, Everywhere, "Ctrl+N", "New line…", "Plan a new line"),
    about(Verb::DemoLine, Program, Everywhere, "", "Demo line", "The simulated phone line"),
    about(
        Verb::Import,
        Program,
        Everywhere,
        "Ctrl+I",
        "Import labels…",
        "A folder with items.jsonl or a speech manifest, or of sounds with labels beside them",
    ),
    about(
        Verb::Export,
        Program,
        Everywhere,
        "Ctrl+E",
        "Export labels…",
        "For training elsewhere, checked afterwards",
    ),
    about(Verb::Train, Program, Everywhere, "", "Train a model…", "On the labels of this line"),
    about(
        Verb::ModelRelease,
        Pages,
        Everywhere,
        "",
        "Models: release",
        "Where a model stands on this line, and what it is worth",
    ),
    about(
        Verb::ModelErrors,
        Pages,
        Everywhere,
        "",
        "Models: where it errs",
        "The chosen model's errors, taken apart",
    ),
    about(
        Verb::ModelAudit,
        Pages,
        Everywhere,
        "",
        "Models: final audit",
        "What a model has to show before its release",
    ),
    about(
        Verb::ModelData,
        Pages,
        Everywhere,
        "",
        "Models: data sets",
        "Frozen labels, and those that are locked away",
    ),
    about(
        Verb::Measure,
        Program,
        Everywhere,
        "",
        "Measure the model",
        "Where the chosen model errs on the labels of today",
    ),
    about(
        Verb::IntoShadow,
        Program,
        Everywhere,
        "",
        "Into shadow…",
        "The chosen model predicts beside the live one and decides nothing",
    ),
    about(
        Verb::ShareOfLine,
        Program,
        Everywhere,
        "",
        "A share of the line…",
        "The chosen model decides the plan's next share of the units",
    ),
    about(
        Verb::MakeLive,
        Program,
        Everywhere,
        "",
        "Make it live…",
        "The chosen model decides from the next item on",
    ),
    about(
        Verb::Retire,
        Program,
        Everywhere,
        "",
        "Retire…",
        "The chosen model predicts no more; its package stays",
    ),
    about(Verb::Backup, Program, Everywhere, "Ctrl+B", "Back up now…", "A verified copy of the line"),
];

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
pub use keymap::Keymap;

#[cfg(test)]
#[path = "verbs_tests.rs"]
mod tests;
