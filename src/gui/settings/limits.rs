//! The promises of a plan as they are typed: of the whole line, and of single classes beside the classes.

use super::super::texts::tr;
use super::super::theme::tokens;
use super::super::widgets::note;
use super::plan_form::{number, row};
use crate::domain::{Class, ClassPromise, Limit, Plan, Probability, Promise, Route, Task};
use eframe::egui::{Role, Ui, WidgetInfo};

/// A limit of the promise as it is typed, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LimitField {
    is_promised: bool,
    limit: f64,
    confidence: f64,
}

impl LimitField {
    fn of(limit: Option<Limit>, usual: f64) -> Self {
        Self {
            is_promised: limit.is_some(),
            limit: limit.map_or(usual, |limit| limit.limit.get()) * 100.0,
            confidence: limit.map_or(0.95, |limit| limit.confidence.get()) * 100.0,
        }
    }

    fn limit(self) -> Option<Limit> {
        let share = |percent: f64| Probability::saturating(percent / 100.0);
        self.is_promised.then(|| Limit { limit: share(self.limit), confidence: share(self.confidence) })
    }

    fn ui(&mut self, ui: &mut Ui, name: &str) {
        let t = tokens(ui);
        row(ui, name, |ui| {
            let response = ui.checkbox(&mut self.is_promised, tr("promised"));
            response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, self.is_promised, name));
            ui.add_enabled_ui(self.is_promised, |ui| {
                number(ui, &mut self.limit, 0.001..=99.0, " %", name);
                ui.label(note(tr("at"), t));
                number(ui, &mut self.confidence, 50.0..=99.99, " %", tr("Confidence"));
            });
        });
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    of_line: [LimitField; 4],
    /// One for each class of the form, at its place, so that it stays with a class that is renamed.
    of_classes: Vec<LimitField>,
}

/// Whether a class can have a limit of its own here.
fn is_limited(task: Task, class: &Class) -> bool {
    task != Task::Defect || class.route == Route::Divert
}

fn of_class(plan: &Plan, class: &Class) -> LimitField {
    let stated = plan.promise.class.get(&class.name);
    let limit = stated.and_then(|one| if plan.task == Task::Defect { one.miss } else { one.error });
    LimitField::of(limit, 0.02)
}

impl Limits {
    pub fn new(plan: &Plan) -> Self {
        let promise = &plan.promise;
        Self {
            of_line: [
                LimitField::of(promise.outgoing, 0.01),
                LimitField::of(promise.miss, 0.05),
                LimitField::of(promise.overkill, 0.05),
                LimitField::of(promise.error, 0.01),
            ],
            of_classes: plan.classes.iter().map(|class| of_class(plan, class)).collect(),
        }
    }

    /// What is promised of these classes.
    pub fn promise(&self, task: Task, classes: &[Class]) -> Promise {
        let [outgoing, miss, overkill, error] = self.of_line.map(LimitField::limit);
        // What the form does not show for this task is not promised.
        let finds = task == Task::Defect;
        let (outgoing, miss, overkill) =
            (outgoing.filter(|_| finds), miss.filter(|_| finds), overkill.filter(|_| finds));
        let error = error.filter(|_| !finds);
        let of_class = |(class, field): (&Class, &LimitField)| {
            let limit = Some(field.limit().filter(|_| is_limited(task, class))?);
            let one = match task {
                Task::Defect => ClassPromise { miss: limit, error: None },
                Task::Classify | Task::Transcribe => ClassPromise { miss: None, error: limit },
            };
            Some((class.name.clone(), one))
        };
        let class = classes.iter().zip(&self.of_classes).filter_map(of_class).collect();
        Promise { outgoing, miss, overkill, error, class }
    }

    pub fn remove_class(&mut self, place: usize) {
        if place < self.of_classes.len() {
            self.of_classes.remove(place);
        }
    }

    pub fn ui(&mut self, ui: &mut Ui, task: Task, classes: &[Class]) {
        let t = tokens(ui);
        ui.label(note(
            tr("At most so many, at this confidence. The program decides only what its evidence supports."),
            t,
        ));
        let names = [
            tr("Defective among passed"),
            tr("Passed among defective"),
            tr("Diverted among good"),
            tr("Wrong among accepted"),
        ];
        let shown = if task == Task::Defect { 0..3 } else { 3..4 };
        for i in shown {
            self.of_line[i].ui(ui, names[i]);
        }
        self.of_classes.resize(classes.len(), LimitField::of(None, 0.02));
        let mut limited: Vec<(&Class, &mut LimitField)> = classes
            .iter()
            .zip(&mut self.of_classes)
            .filter(|(class, _)| is_limited(task, class) && !class.name.trim().is_empty())
            .collect();
        if limited.is_empty() {
            return;
        }
        ui.label(note(tr("By class. Each limit more takes more evidence: all share the confidence."), t));
        for (class, field) in &mut limited {
            let what = if task == Task::Defect { tr("passed") } else { tr("wrong among accepted") };
            field.ui(ui, &format!("{}: {what}", class.name));
        }
    }
}
