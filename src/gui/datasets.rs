//! Versions of the labels, what changed between two of them, and the units that no training sees.

use super::layout::{field_ui, is_entered};
use super::page::Page;
use super::texts::tr;
use super::theme::{BODY, SECONDARY, SPACE, Tokens};
use super::time;
use super::widgets::{Mark, button_ui, card_ui, note, percent, secondary, told_ui};
use crate::domain::{AuditLock, AuditOutcome, AuditUse, DatasetDiff, EventId, Filter, Frozen, FrozenFor};
use crate::engine::{self, AuditSetReport, EngineError, Line, Task};
use crate::store::Noted;
use eframe::egui::{self, DragValue, Grid, RichText, Role, Ui, WidgetInfo, vec2};
use std::path::Path;

/// Of all units, where nobody asks for another share.
const AUDIT_SHARE: f64 = 0.2;
/// Versions that are listed, the newest first.
const LISTED: usize = 12;

/// What the log says of data sets and audits.
pub(super) struct Known {
    pub versions: Vec<Noted<Frozen>>,
    pub audit_set: Option<AuditSetReport>,
    pub audits: Vec<Noted<AuditOutcome>>,
    pub uses: Vec<Noted<AuditUse>>,
    pub signatures: Vec<Noted<(EventId, String)>>,
    /// Units with labels, while none are locked away.
    units: usize,
    /// Between the two versions that are chosen.
    diff: Option<Box<DatasetDiff>>,
}

#[derive(Default)]
pub(super) struct DataCard {
    known: Option<Known>,
    working: Option<Task<Known>>,
    name: String,
    /// Of the audit set to come, in percent.
    share: Option<f64>,
    /// The first press of what cannot be taken back was made.
    is_locking: bool,
    chosen: [Option<String>; 2],
}

/// What is done before it is read again.
enum Work {
    Read,
    Freeze(String),
    Lock(f64),
}

impl DataCard {
    pub fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// Something was written that this shows.
    pub fn forget(&mut self) {
        self.known = None;
    }

    pub fn versions(&self) -> Vec<&str> {
        self.known.iter().flat_map(|known| &known.versions).map(|noted| noted.what.name.as_str()).collect()
    }

    pub fn follow(&mut self, ctx: &egui::Context, page: &mut Page<'_>) {
        if let Some(done) = self.working.as_mut().and_then(Task::result) {
            self.working = None;
            match done {
                Ok(known) => self.known = Some(known),
                Err(error) => {
                    page.toasts.trouble(error.to_string());
                    // Once, or it would be told in every frame.
                    self.known.get_or_insert_with(Known::nothing);
                }
            }
        }
        if self.known.is_none() && self.working.is_none() {
            self.start(ctx, page, Work::Read);
        }
    }

    fn start(&mut self, ctx: &egui::Context, page: &mut Page<'_>, work: Work) {
        let (folder, wake, chosen) = (page.session.folder.clone(), ctx.clone(), self.chosen.clone());
        let actor = page.reviewer();
        let job = move |_: &engine::TaskControl| work_on(&folder, work, &actor, chosen);
        match Task::start(tr("Data sets"), move || wake.request_repaint(), job) {
            Ok(task) => self.working = Some(task),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }

    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let mut work = None;
        let is_idle = self.working.is_none();
        card_ui(ui, tr("Versions of the labels"), |ui| {
            ui.label(note(
                tr("A version never changes: a list of items and labels under a hash of its content"),
                t,
            ));
            if let Some(known) = &self.known {
                let chosen = &mut self.chosen;
                ui.add_enabled_ui(is_idle, |ui| versions_ui(ui, known, chosen, &mut work, t));
            }
            ui.horizontal(|ui| {
                let name = tr("Name of the version");
                let field = field_ui(ui, name, name, &mut self.name, 240.0);
                let can_freeze = is_idle && !self.name.trim().is_empty();
                let label = tr("Freeze the labels of today");
                let is_pressed =
                    ui.add_enabled_ui(can_freeze, |ui| button_ui(ui, label, false)).inner.clicked();
                if is_pressed || (can_freeze && is_entered(ui, &field)) {
                    work = Some(Work::Freeze(std::mem::take(&mut self.name).trim().to_owned()));
                }
            });
        });
        ui.add_space(SPACE[1]);
        if let Some(diff) = self.known.as_ref().and_then(|known| known.diff.as_ref()) {
            card_ui(ui, tr("From the first to the second"), |ui| diff_ui(ui, diff, t));
            ui.add_space(SPACE[1]);
        }
        card_ui(ui, tr("Units that no training sees"), |ui| {
            if let Some(known) = &self.known {
                let asked = (&mut self.share, &mut self.is_locking);
                ui.add_enabled_ui(is_idle, |ui| audit_set_ui(ui, known, asked, &mut work, t));
            }
        });
        if let Some(work) = work {
            self.start(ui.ctx(), page, work);
        }
    }
}

impl Known {
    fn nothing() -> Self {
        Self {
            versions: Vec::new(),
            audit_set: None,
            units: 0,
            audits: Vec::new(),
            uses: Vec::new(),
            signatures: Vec::new(),
            diff: None,
        }
    }
}

fn work_on(
    folder: &Path,
    work: Work,
    actor: &str,
    chosen: [Option<String>; 2],
) -> Result<Known, EngineError> {
    let mut line = Line::open(folder, super::feed::ACTOR)?;
    match work {
        Work::Read => {}
        Work::Freeze(name) => engine::freeze(&mut line, &name, &Filter::default(), actor).map(drop)?,
        // The draw is the line's own; a seed would only matter to whoever wants another one.
        Work::Lock(share) => engine::lock_audit(&mut line, AuditLock { share, seed: 1 }, actor).map(drop)?,
    }
    let diff = match chosen {
        [Some(a), Some(b)] if a != b => Some(Box::new(engine::compare_datasets(&line, &a, &b)?)),
        _ => None,
    };
    let audit_set = engine::audit_set_report(&line)?;
    let units = if audit_set.is_some() { 0 } else { engine::labelled_units(&line)? };
    let view = line.store.view();
    let mut versions = view.datasets()?;
    versions.reverse();
    let (audits, uses, signatures) = (view.final_audits()?, view.audit_uses()?, view.audit_signatures()?);
    Ok(Known { versions, audit_set, audits, uses, signatures, units, diff })
}

fn versions_ui(
    ui: &mut Ui,
    known: &Known,
    chosen: &mut [Option<String>; 2],
    work: &mut Option<Work>,
    t: Tokens,
) {
    if known.versions.is_empty() {
        ui.label(secondary(tr("None yet: a training freezes one by itself"), t));
        return;
    }
    Grid::new("versions").num_columns(7).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        let heads =
            [tr("first"), tr("second"), tr("name"), tr("items"), tr("units"), tr("for"), tr("frozen")];
        for head in heads {
            ui.label(note(head, t));
        }
        ui.end_row();
        for noted in known.versions.iter().take(LISTED) {
            let frozen = &noted.what;
            for (side, ordinal) in chosen.iter_mut().zip([tr("first"), tr("second")]) {
                let is_chosen = side.as_ref() == Some(&frozen.name);
                let radio = ui.radio(is_chosen, "");
                radio.widget_info(|| {
                    WidgetInfo::selected(
                        Role::RadioButton,
                        true,
                        is_chosen,
                        format!("{} {ordinal}", frozen.name),
                    )
                });
                if radio.clicked() {
                    *side = Some(frozen.name.clone());
                    *work = Some(Work::Read);
                }
            }
            ui.label(RichText::new(&frozen.name).size(BODY));
            ui.label(secondary(frozen.items.to_string(), t));
            ui.label(secondary(frozen.units.to_string(), t));
            ui.label(secondary(made_for(frozen.made_for), t));
            let hash = frozen.hash.as_str().get(..8).unwrap_or_default();
            ui.label(note(format!("{} · {} · {hash}", time::day(noted.at), noted.actor), t));
            ui.end_row();
        }
    });
}

fn made_for(what: FrozenFor) -> &'static str {
    tr(match what {
        FrozenFor::Person => "a person",
        FrozenFor::Training => "a training",
        FrozenFor::Audit => "a final audit",
    })
}

fn diff_ui(ui: &mut Ui, diff: &DatasetDiff, t: Tokens) {
    let words = format!(
        "{} {} · {} {} · {} {} · {} {}",
        diff.added.len(),
        tr("came"),
        diff.removed.len(),
        tr("went"),
        diff.relabelled.len(),
        tr("have another label"),
        diff.same,
        tr("are the same"),
    );
    ui.label(RichText::new(words).size(SECONDARY));
    Grid::new("changes").num_columns(4).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        for head in [tr("class"), tr("came"), tr("went"), tr("relabelled")] {
            ui.label(note(head, t));
        }
        ui.end_row();
        for (class, change) in &diff.by_class {
            ui.label(secondary(class, t));
            ui.label(secondary(format!("+{}", change.added), t));
            ui.label(secondary(format!("−{}", change.removed), t));
            ui.label(secondary(format!("+{} −{}", change.relabelled_to, change.relabelled_from), t));
            ui.end_row();
        }
    });
    for one in diff.relabelled.iter().take(LISTED) {
        ui.label(note(format!("{}: {} {}, {} {}", one.unit, tr("was"), one.from, tr("is"), one.to), t));
    }
}

fn audit_set_ui(
    ui: &mut Ui,
    known: &Known,
    (share, is_locking): (&mut Option<f64>, &mut bool),
    work: &mut Option<Work>,
    t: Tokens,
) {
    let Some(set) = &known.audit_set else {
        let words = tr(
            "Nothing is locked away yet: without it no final audit is possible. It is drawn once, for the units to come too",
        );
        ui.label(secondary(words, t));
        ui.horizontal_wrapped(|ui| {
            let percent = share.get_or_insert(AUDIT_SHARE * 100.0);
            let field = DragValue::new(percent).range(1.0..=50.0).suffix(tr(" % of the units"));
            if ui.add(field).changed() {
                *is_locking = false;
            }
            if !*is_locking {
                *is_locking = button_ui(ui, tr("Lock them away…"), false).clicked();
                return;
            }
            let words = format!(
                "{} {percent:.0} % {} {} {}",
                tr("For good: about"),
                tr("of"),
                known.units,
                tr("units with labels, and of all to come, are never learnt from")
            );
            told_ui(ui, Mark::Ask, words);
            if button_ui(ui, tr("Lock them away"), false).clicked() {
                *work = Some(Work::Lock(*percent / 100.0));
                *is_locking = false;
            }
            if button_ui(ui, tr("Cancel"), false).clicked() {
                *is_locking = false;
            }
        });
        return;
    };
    let words = format!(
        "{} {} · {} {} {} {} {} · {}: {}",
        percent(set.share),
        tr("of the units"),
        set.units,
        tr("of"),
        set.of_units,
        tr("with labels, since"),
        time::day(set.locked_at),
        tr("looks at them so far"),
        set.uses,
    );
    told_ui(ui, Mark::Pass, words);
    if !set.seen_by.is_empty() {
        let words = format!(
            "{}: {}",
            tr("Cannot be audited, since they learnt from some before"),
            set.seen_by.join(", ")
        );
        told_ui(ui, Mark::Ask, words);
    }
    for noted in known.uses.iter().rev().take(LISTED) {
        let used = &noted.what;
        let words =
            format!("{} · {} · {} · {}", time::day(noted.at), used.model.name, used.purpose, noted.actor);
        ui.label(note(words, t));
    }
}
