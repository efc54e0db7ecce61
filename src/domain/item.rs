//! One image or one audio clip, as the store knows it.

use super::{InspectionId, ItemId, MediaHash, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    Image,
    Audio,
}

impl MediaKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub id: ItemId,
    /// Imported items never passed through the station and belong to no inspection.
    pub inspection: Option<InspectionId>,
    pub unit: String,
    pub kind: MediaKind,
    pub media: MediaHash,
    /// The name it came under, relative to its source.
    pub name: String,
    /// `folder:inbox`, `import:…`.
    pub source: String,
    pub reference: Option<MediaHash>,
    pub arrived_at: Timestamp,
}
