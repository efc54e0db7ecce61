//! What a training is about, from its items, its settings and the model that it begins with; and what it
//! cannot be about, in words that help.

use super::LearnError;
use super::data::{self, Loaded, Sample, unusable};
use super::input::{SIDE_PX, choose_hearing, choose_input};
use super::settings::TrainSettings;
use super::speech::choose_speech;
use super::split::Part;
use crate::domain::{Label, LabelledItem, MediaKind, Task};
use crate::infer::{InputSpec, Model, shown};

/// What a training is about.
pub(super) struct SetUp<'a> {
    pub usable: Vec<&'a LabelledItem>,
    /// Items that cannot be used, and why.
    pub skipped: Vec<(String, String)>,
    pub task: Task,
    /// `good` first, where there are defects to find.
    pub classes: Vec<String>,
    pub spec: InputSpec,
}

impl SetUp<'_> {
    /// Classes that the network has outputs for.
    pub fn shown(&self) -> &[String] {
        shown(self.task, &self.classes)
    }
}

pub(super) fn set_up<'a>(
    items: &'a [LabelledItem],
    goldens: &'a [LabelledItem],
    settings: &TrainSettings,
    init: Option<&Model>,
) -> Result<SetUp<'a>, LearnError> {
    let mut skipped = Vec::new();
    let mut usable = Vec::with_capacity(items.len() + goldens.len());
    for item in items.iter().chain(goldens) {
        match unusable(item) {
            Some(reason) => skipped.push((item.name.clone(), reason)),
            None => usable.push(item),
        }
    }
    let medium = data::medium(usable.iter().copied());
    if let Some(init) = init.filter(|_| !usable.is_empty()) {
        check_init(init, settings.task, medium)?;
    }
    let init = gone_on_with(settings, init);
    if medium == MediaKind::Audio && (settings.view.is_some() || settings.side_px != SIDE_PX) {
        return Err(LearnError::Settings(
            "view and side are for pictures, and these items are sounds".to_owned(),
        ));
    }
    usable.retain(|item| {
        if item.kind != medium {
            skipped.push((item.name.clone(), format!("it is no {}", medium.as_str())));
        }
        item.kind == medium
    });
    let has_good = usable.iter().any(|item| item.label.is_good());
    // Where nothing is called good, items are told apart by their names.
    let by_itself = if has_good || usable.iter().any(|item| item.reference.is_some()) {
        Task::Defect
    } else {
        Task::Classify
    };
    let task = init.map(|init| init.manifest().task).or(settings.task).unwrap_or(by_itself);
    let mut classes = match task {
        Task::Transcribe => data::words(&usable, &settings.convention()),
        Task::Defect | Task::Classify => data::classes(&usable, task),
    };
    check_classes(&classes, task, has_good)?;
    if let Some(init) = init {
        // Classes of the initial model keep their places, so that its heads still fit.
        let mut merged = init.manifest().classes.clone();
        merged.extend(classes.into_iter().filter(|c| !init.manifest().classes.contains(c)));
        classes = merged;
    }
    let spec = match (&settings.input, init) {
        (Some(spec), _) => spec.clone(),
        (None, Some(init)) => init.manifest().input.clone(),
        (None, None) if task == Task::Transcribe => choose_speech(&data::listen(&usable, &[])?, settings),
        (None, None) if medium == MediaKind::Audio => {
            choose_hearing(&data::listen(&usable, shown(task, &classes))?, settings)
        }
        (None, None) => choose_input(&data::look(&usable)?, settings),
    };
    // Not only when hours of training are to become a package.
    spec.check().map_err(LearnError::Settings)?;
    Ok(SetUp { usable, skipped, task, classes, spec })
}

/// The model whose classes, layers and look a training takes over.
pub(super) fn gone_on_with<'m>(settings: &TrainSettings, init: Option<&'m Model>) -> Option<&'m Model> {
    init.filter(|_| !settings.transfer)
}

/// Whether a training can begin with this model's weights.
fn check_init(init: &Model, task: Option<Task>, medium: MediaKind) -> Result<(), LearnError> {
    let manifest = init.manifest();
    let refused = |why: &str| Err(LearnError::Initial(why.to_owned()));
    match (manifest.input.medium(), medium) {
        (MediaKind::Audio, MediaKind::Image) => {
            return refused("it listens to sounds, and the items are pictures");
        }
        (MediaKind::Image, MediaKind::Audio) => {
            return refused("it looks at pictures, and the items are sounds");
        }
        _ => {}
    }
    match (manifest.task, task) {
        (own, Some(wanted)) if own != wanted => {
            refused(&format!("{}, and this training is to {}", does(own), wanted_text(wanted)))
        }
        _ => Ok(()),
    }
}

/// What models of a task do, and what a training of it is for.
const fn does(task: Task) -> &'static str {
    match task {
        Task::Defect => "it finds defects",
        Task::Classify => "it names items",
        Task::Transcribe => "it writes down what is said",
    }
}

const fn wanted_text(task: Task) -> &'static str {
    match task {
        Task::Defect => "find defects",
        Task::Classify => "name items",
        Task::Transcribe => "write down what is said",
    }
}

/// Whether the data have enough to tell apart; `classes` are theirs, with `good` first for defects.
fn check_classes(classes: &[String], task: Task, has_good: bool) -> Result<(), LearnError> {
    let found: Vec<&str> =
        classes.iter().skip(usize::from(task == Task::Defect)).map(String::as_str).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    let why = match task {
        Task::Defect if !has_good => format!(
            "it takes good items, and found only {found}. Hint: to this program the class of good items is \
             \"{}\"",
            Label::GOOD
        ),
        Task::Defect if classes.len() < 2 => {
            "it takes at least one class of defects, and found only good items".to_owned()
        }
        Task::Classify if classes.len() < 2 => {
            format!("it takes items of at least two classes, and found only {found}")
        }
        Task::Transcribe if classes.len() < 2 => {
            format!("it takes recordings of at least two words, and found only {found}")
        }
        _ => return Ok(()),
    };
    Err(LearnError::TooLittle(why))
}

/// Items to learn from that are too large to be seen at once and have no place: they teach no class. Refused
/// where a class would be learnt from nothing.
pub(super) fn beyond(
    set_up: &SetUp<'_>,
    loaded: &Loaded<'_>,
    parts: &[Part],
) -> Result<Vec<(String, String)>, LearnError> {
    let spec = &set_up.spec;
    let seen = spec.sound.as_ref().map_or_else(
        || format!("{} × {} px", spec.width_px, spec.height_px),
        |sound| format!("{:.1} s", f64::from(spec.width_px) * sound.hop_secs),
    );
    let train: Vec<&Sample<'_>> =
        loaded.samples.iter().zip(parts).filter(|(_, part)| **part == Part::Train).map(|(s, _)| s).collect();
    for (class, name) in set_up.shown().iter().enumerate() {
        let of_class: Vec<_> = train.iter().filter(|sample| sample.positive[class]).collect();
        if !of_class.is_empty() && of_class.iter().all(|sample| sample.is_beyond()) {
            return Err(LearnError::TooLittle(format!(
                "all {} items of class {name} are larger than the {seen} that the network takes in at once, and \
                 nobody has marked where it is. Hint: mark it, or cut the items",
                of_class.len()
            )));
        }
    }
    let why =
        format!("it teaches no class: larger than the {seen} seen at once, and nothing is marked in it");
    let mute = train.iter().filter(|sample| sample.is_beyond());
    Ok(mute.map(|sample| (set_up.usable[sample.item].name.clone(), why.clone())).collect())
}
