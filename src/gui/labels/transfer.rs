//! Import and export of labels: what it will be, before; how far it is, while; and the check, after.

use super::super::dialog::pick_folder;
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{BODY, SPACE, TITLE, tokens};
use super::super::widgets::{
    Mark, button_ui, modal_ui, note, progress_ui, secondary, told_ui as mark_ui, warning_ui,
};
use crate::domain::{Filter, Plan, SimulatorSettings, Task as LineTask};
use crate::engine::{self, DatasetSource, EngineError, Format, LabelList, Line, Task};
use crossbeam_channel::Receiver;
use eframe::egui::{self, Key, Modifiers, RichText, ScrollArea, Ui, vec2};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Skipped items shown by name; the rest is a number.
const SKIPPED_SHOWN: usize = 20;

/// Lines of a report, and whether all is well.
struct Told {
    lines: Vec<String>,
    is_well: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Import,
    Export,
}

/// What a data set holds, before it is taken in.
struct Preview {
    items: usize,
    /// Items of each class or, of a line that writes down what is said, with each word.
    names: BTreeMap<String, usize>,
    skipped: Vec<String>,
}

pub struct Transfer {
    kind: Kind,
    path: String,
    /// Not typed in yet.
    is_new: bool,
    format: Format,
    dialog: Option<Receiver<Option<PathBuf>>>,
    previewing: Option<Task<Preview>>,
    preview: Option<(String, Result<Preview, String>)>,
    working: Option<Task<Told>>,
    told: Option<Told>,
}

impl Transfer {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            path: String::new(),
            is_new: true,
            format: Format::Jsonl,
            dialog: None,
            previewing: None,
            preview: None,
            working: None,
            told: None,
        }
    }

    pub fn import() -> Self {
        Self::new(Kind::Import)
    }

    pub fn export() -> Self {
        Self::new(Kind::Export)
    }

    /// True when it is over.
    pub fn ui(&mut self, ctx: &egui::Context, page: &mut Page<'_>, list: Option<&LabelList>) -> bool {
        self.follow();
        let mut is_over =
            self.working.is_none() && ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        modal_ui(ctx, "transfer", 640.0, |ui| {
            let title = if self.kind == Kind::Import { tr("Import labels") } else { tr("Export labels") };
            ui.label(RichText::new(title).size(TITLE).strong());
            if let Some(task) = &self.working {
                let progress = task.progress();
                progress_ui(ui, progress.share, &progress.what, task.seconds_left());
                if ui
                    .add_enabled_ui(!task.is_cancelled(), |ui| button_ui(ui, tr("Cancel"), false))
                    .inner
                    .clicked()
                {
                    task.cancel();
                }
                return;
            }
            if let Some(told) = &self.told {
                told_ui(ui, told);
                is_over |= button_ui(ui, tr("Close"), true).clicked();
                return;
            }
            self.path_ui(ui);
            match self.kind {
                Kind::Import => self.import_ui(ui, page),
                Kind::Export => self.export_ui(ui, list),
            }
            ui.add_space(SPACE[1]);
            ui.horizontal(|ui| {
                let is_ready = match self.kind {
                    Kind::Import => matches!(&self.preview, Some((path, Ok(_))) if *path == self.path.trim()),
                    Kind::Export => !self.path.trim().is_empty(),
                };
                let name = if self.kind == Kind::Import { tr("Import") } else { tr("Export and check") };
                let enter = ui.input(|input| input.key_pressed(Key::Enter));
                let begins = ui.add_enabled_ui(is_ready, |ui| button_ui(ui, name, true)).inner.clicked();
                if begins || (is_ready && enter) {
                    match self.begin(ui.ctx(), page) {
                        Ok(task) => self.working = Some(task),
                        Err(error) => page.toasts.trouble(error.to_string()),
                    }
                }
                is_over |= button_ui(ui, tr("Cancel"), false).clicked();
            });
        });
        is_over
    }

    fn follow(&mut self) {
        if let Some(path) = self.dialog.as_ref().and_then(|dialog| dialog.try_recv().ok()) {
            self.dialog = None;
            if let Some(path) = path {
                self.path = path.display().to_string();
            }
        }
        if let Some(done) = self.previewing.as_mut().and_then(Task::result) {
            let of = self.previewing.take().map(|task| task.title.clone()).unwrap_or_default();
            self.preview = Some((of, done.map_err(|error| error.to_string())));
        }
        if let Some(done) = self.working.as_mut().and_then(Task::result) {
            self.working = None;
            self.told =
                Some(done.unwrap_or_else(|error| Told { lines: vec![error.to_string()], is_well: false }));
        }
    }

    fn path_ui(&mut self, ui: &mut Ui) {
        let t = tokens(ui);
        let title = if self.kind == Kind::Import {
            tr("Folder with items.jsonl, or of sounds with Audacity’s or Raven’s labels")
        } else {
            tr("New folder for the export")
        };
        ui.label(secondary(title, t));
        ui.horizontal(|ui| {
            let field = egui::TextEdit::singleline(&mut self.path)
                .desired_width(ui.available_width() - 130.0)
                .margin(vec2(10.0, 9.0));
            let response = ui.add(field);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, title));
            if std::mem::take(&mut self.is_new) {
                response.request_focus();
            }
            if ui
                .add_enabled_ui(self.dialog.is_none(), |ui| button_ui(ui, tr("Browse…"), false))
                .inner
                .clicked()
            {
                self.dialog = pick_folder(ui.ctx());
            }
        });
    }

    /// Reads what is there as soon as the path stands still.
    fn import_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = tokens(ui);
        let path = self.path.trim().to_owned();
        let is_known = self.preview.as_ref().is_some_and(|(of, _)| *of == path);
        if !path.is_empty() && !is_known && self.previewing.is_none() {
            let wake = ui.ctx().clone();
            let (folder, plan) = (PathBuf::from(&path), page.session.plan.clone());
            let task = Task::start(&path, move || wake.request_repaint(), move |_| preview(folder, &plan));
            match task {
                Ok(task) => self.previewing = Some(task),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        match &self.preview {
            Some((of, Ok(preview))) if *of == path => {
                ui.label(RichText::new(format!("{} {}", preview.items, tr("labelled items"))).size(BODY));
                let names: Vec<String> =
                    preview.names.iter().map(|(name, n)| format!("{name} {n}")).collect();
                ui.label(note(names.join(" · "), t));
                let plan = &page.session.plan;
                let (is_known, about): (&dyn Fn(&str) -> bool, _) = match plan.task {
                    LineTask::Transcribe => {
                        (&|word| plan.transcript.knows(word), tr("Words that cannot be said on this line"))
                    }
                    LineTask::Defect | LineTask::Classify => {
                        (&|class| plan.route(class).is_some(), tr("Classes without a route in the plan"))
                    }
                };
                let unknown: Vec<&str> =
                    preview.names.keys().map(String::as_str).filter(|name| !is_known(name)).collect();
                if !unknown.is_empty() {
                    warning_ui(ui, format!("{about}: {}", unknown.join(", ")));
                }
                if !preview.skipped.is_empty() {
                    let words =
                        format!("{} {}", preview.skipped.len(), tr("cannot be read and are left out"));
                    warning_ui(ui, words).on_hover_text(preview.skipped.join("\n"));
                }
            }
            Some((of, Err(why))) if *of == path => {
                warning_ui(ui, why);
            }
            _ if self.previewing.is_some() => {
                ui.label(note(tr("Reading…"), t));
            }
            _ => {}
        }
    }

    fn export_ui(&mut self, ui: &mut Ui, list: Option<&LabelList>) {
        let t = tokens(ui);
        ui.horizontal(|ui| {
            ui.label(secondary(tr("Format"), t));
            egui::ComboBox::from_id_salt("format").selected_text(self.format.to_string()).show_ui(ui, |ui| {
                for format in Format::ALL {
                    ui.selectable_value(&mut self.format, format, format.to_string());
                }
            });
        });
        if let Some(list) = list {
            let all: i64 = list.counts.iter().map(|(_, n)| n).sum();
            ui.label(RichText::new(format!("{all} {}", tr("labels"))).size(BODY));
            let parts: Vec<String> = list
                .counts
                .iter()
                .map(|((class, status), n)| format!("{} {n}", if class.is_empty() { status } else { class }))
                .collect();
            ui.label(note(parts.join(" · "), t));
        }
        ui.label(note(tr("Afterwards the export is read back and compared with the log, and what the format cannot say is counted"), t));
    }

    fn begin(&self, ctx: &egui::Context, page: &Page<'_>) -> Result<Task<Told>, EngineError> {
        let (folder, path, format) =
            (page.session.folder.clone(), PathBuf::from(self.path.trim()), self.format);
        let actor = page
            .session
            .board
            .as_ref()
            .map_or_else(|| super::super::feed::ACTOR.to_owned(), |b| b.reviewer.clone());
        let wake = ctx.clone();
        match self.kind {
            Kind::Import => Task::start(
                tr("Import"),
                move || wake.request_repaint(),
                move |control| {
                    let mut line = Line::open(&folder, &actor)?;
                    let dataset = DatasetSource::Folder(path)
                        .open(&Filter::default(), &SimulatorSettings::default())?;
                    let what = tr("items");
                    let report =
                        engine::import(&mut line, dataset, &actor, control.cancel(), |done, total| {
                            control.count(done, total, what);
                        })?;
                    let mut lines = vec![format!(
                        "{} {} · {} {}",
                        report.items,
                        tr("items taken in"),
                        report.known,
                        tr("known before")
                    )];
                    lines.extend(
                        report
                            .skipped
                            .iter()
                            .take(SKIPPED_SHOWN)
                            .map(|s| format!("{}: {}", s.media.clone().unwrap_or_default(), s.reason)),
                    );
                    if report.skipped.len() > SKIPPED_SHOWN {
                        lines.push(format!(
                            "… {} {}",
                            report.skipped.len() - SKIPPED_SHOWN,
                            tr("more were left out")
                        ));
                    }
                    if control.cancel().load(std::sync::atomic::Ordering::Relaxed) {
                        lines.push(tr("Cancelled; what was taken in stays").to_owned());
                    }
                    Ok(Told { lines, is_well: report.skipped.is_empty() })
                },
            ),
            Kind::Export => Task::start(
                tr("Export"),
                move || wake.request_repaint(),
                move |control| {
                    control.progress(None, tr("Writing…"));
                    let mut line = Line::open(&folder, &actor)?;
                    let sheet = engine::export(&mut line, format, &path, &Filter::default(), &actor)?;
                    control.progress(Some(0.6), tr("Reading back…"));
                    let check = engine::recheck_export(&path, Some(&folder))?;
                    let mut lines = vec![format!("{} {} {}", sheet.items, tr("items in"), path.display())];
                    for (what, counts) in [
                        (tr("left out of the format"), &sheet.left_out),
                        (tr("said with less detail"), &sheet.simplified),
                        (tr("lost"), &sheet.lost),
                    ] {
                        lines.extend(counts.iter().map(|(why, n)| format!("{n} {what}: {why}")));
                    }
                    lines.extend(
                        check
                            .compared
                            .iter()
                            .map(|(what, n)| format!("{n} {what} {}", tr("compared, alike"))),
                    );
                    lines.extend(check.differences.iter().map(|what| format!("{}: {what}", tr("differs"))));
                    Ok(Told { lines, is_well: check.ok })
                },
            ),
        }
    }
}

fn preview(folder: PathBuf, plan: &Plan) -> Result<Preview, EngineError> {
    let dataset = DatasetSource::Folder(folder).open(&Filter::default(), &SimulatorSettings::default())?;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for item in &dataset.items {
        let of_item = match plan.task {
            LineTask::Transcribe => plan.transcript.words_of(&item.label),
            LineTask::Defect | LineTask::Classify => {
                item.label.classes().into_iter().map(str::to_owned).collect()
            }
        };
        for name in of_item {
            *names.entry(name).or_default() += 1;
        }
    }
    let skipped = dataset
        .skipped
        .iter()
        .map(|s| format!("{}: {}", s.media.clone().unwrap_or_default(), s.reason))
        .collect();
    Ok(Preview { items: dataset.items.len(), names, skipped })
}

fn told_ui(ui: &mut Ui, told: &Told) {
    let t = tokens(ui);
    let mark = if told.is_well { Mark::Pass } else { Mark::Ask };
    let head = if told.is_well { tr("Done, and checked") } else { tr("Done, with something to look at") };
    mark_ui(ui, mark, head);
    ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
        for line in &told.lines {
            ui.label(secondary(line, t));
        }
    });
}
