//! The plan as a form: every field typed and checked while it is filled in, with its unit.

use super::super::texts::tr;
use super::super::theme::{SPACE, tokens};
use super::super::widgets::{Mark, button_ui, note, secondary, warning_ui};
use super::cutting::recordings_ui;
use super::limits::Limits;
use super::microphone::{Devices, microphone_ui};
use super::said::SaidForm;
use crate::domain::{
    AfterIngest, Class, Label, Plan, Probability, RetentionRule, ReviewMode, Route, SimulatorKind,
    SimulatorSettings, Task, WhenFull,
};
use eframe::egui::{self, DragValue, Role, Ui, WidgetInfo, vec2};
use std::ops::RangeInclusive;

/// Threads of one stage that the form can ask for.
const THREADS: RangeInclusive<usize> = 1..=64;

#[derive(Clone, Debug, PartialEq)]
pub struct PlanForm {
    plan: Plan,
    limits: Limits,
    said: SaidForm,
    /// Known or not, and in percent: misses and overkill of people alone.
    baseline: [(bool, f64); 2],
    reference: String,
}

impl PlanForm {
    pub fn new(plan: &Plan) -> Self {
        let percent = |p: Option<Probability>| (p.is_some(), p.map_or(0.0, |p| p.get() * 100.0));
        let mut plan = plan.clone();
        if plan.classes.is_empty() && plan.task == Task::Defect {
            plan.classes = vec![
                Class { name: Label::GOOD.into(), route: Route::Pass },
                Class { name: "scratch".into(), route: Route::Divert },
            ];
        }
        Self {
            limits: Limits::new(&plan),
            said: SaidForm::new(&plan.transcript),
            baseline: [percent(plan.baseline.miss), percent(plan.baseline.overkill)],
            reference: plan.source.reference.clone().unwrap_or_default(),
            plan,
        }
    }

    /// The plan as it stands in the form, or what is wrong with it.
    pub fn plan(&self) -> Result<Plan, String> {
        let mut plan = self.plan.clone();
        plan.promise = self.limits.promise(plan.task, &plan.classes);
        let known =
            |(is_known, percent): (bool, f64)| is_known.then(|| Probability::saturating(percent / 100.0));
        plan.baseline.miss = known(self.baseline[0]);
        plan.baseline.overkill = known(self.baseline[1]);
        plan.source.reference = Some(self.reference.trim().to_owned()).filter(|text| !text.is_empty());
        if plan.task == Task::Transcribe {
            plan.transcript = self.said.rule()?;
        }
        if plan.name.trim().is_empty() {
            return Err(tr("The line needs a name").into());
        }
        if plan.classes.is_empty() && plan.task != Task::Transcribe {
            return Err(tr("The line needs classes").into());
        }
        plan.check().map_err(|error| error.to_string())?;
        Ok(plan)
    }

    /// `is_new` shows what only a new line can choose.
    pub fn ui(&mut self, ui: &mut Ui, is_new: bool, devices: &mut Devices) {
        section(ui, tr("What is inspected"), |ui| self.scope_ui(ui, is_new));
        if self.plan.task == Task::Transcribe {
            section(ui, tr("What is said"), |ui| self.said.ui(ui));
        } else {
            section(ui, tr("Classes and routes"), |ui| self.classes_ui(ui));
        }
        section(ui, tr("Promises"), |ui| {
            self.limits.ui(ui, self.plan.task, &self.plan.classes);
        });
        section(ui, tr("Budget and baseline"), |ui| self.budget_ui(ui));
        section(ui, tr("Source"), |ui| self.source_ui(ui));
        section(ui, tr("Recordings"), |ui| recordings_ui(ui, &mut self.plan.recordings));
        section(ui, tr("Microphone"), |ui| microphone_ui(ui, &mut self.plan.microphone, devices));
        section(ui, tr("Review"), |ui| self.review_ui(ui));
        section(ui, tr("Keeping the promise"), |ui| self.guard_ui(ui));
        section(ui, tr("Kept media"), |ui| self.retention_ui(ui));
        section(ui, tr("Simulator"), |ui| self.simulator_ui(ui));
    }

    fn scope_ui(&mut self, ui: &mut Ui, is_new: bool) {
        row(ui, tr("Name"), |ui| text(ui, &mut self.plan.name, tr("Name")));
        row(ui, tr("Task"), |ui| {
            let name = |task| match task {
                Task::Defect => tr("find defects"),
                Task::Classify => tr("name the whole item"),
                Task::Transcribe => tr("write down what is said"),
            };
            ui.add_enabled_ui(is_new, |ui| {
                egui::ComboBox::from_id_salt("task").selected_text(name(self.plan.task)).show_ui(ui, |ui| {
                    for task in [Task::Defect, Task::Classify, Task::Transcribe] {
                        ui.selectable_value(&mut self.plan.task, task, name(task));
                    }
                });
            });
        });
        row(ui, tr("Pictures of one unit"), |ui| {
            number_u32(ui, &mut self.plan.inspection.items, 1..=64, "", tr("Pictures of one unit"));
        });
        row(ui, tr("They arrive within"), |ui| {
            number(
                ui,
                &mut self.plan.inspection.timeout_secs,
                0.1..=86_400.0,
                " s",
                tr("They arrive within"),
            );
        });
    }

    fn classes_ui(&mut self, ui: &mut Ui) {
        let mut gone = None;
        for (i, class) in self.plan.classes.iter_mut().enumerate() {
            ui.horizontal(|ui| {
                Mark::from(class.route).show_ui(ui);
                text(ui, &mut class.name, &format!("{} {}", tr("Class"), i + 1));
                let name = |route| match route {
                    Route::Pass => tr("pass"),
                    Route::Divert => tr("divert"),
                };
                egui::ComboBox::from_id_salt(("route", i)).selected_text(name(class.route)).show_ui(
                    ui,
                    |ui| {
                        for route in [Route::Pass, Route::Divert] {
                            ui.selectable_value(&mut class.route, route, name(route));
                        }
                    },
                );
                if ui.button(tr("Remove")).clicked() {
                    gone = Some(i);
                }
            });
        }
        if let Some(i) = gone {
            self.plan.classes.remove(i);
            self.limits.remove_class(i);
        }
        if ui.button(tr("Add a class")).clicked() {
            self.plan.classes.push(Class { name: String::new(), route: Route::Divert });
        }
    }

    fn budget_ui(&mut self, ui: &mut Ui) {
        row(ui, tr("Arrival to decision, p99"), |ui| {
            number(ui, &mut self.plan.budget.latency_ms_p99, 1.0..=600_000.0, " ms", tr("Latency budget"));
        });
        row(ui, tr("Throughput"), |ui| {
            number(
                ui,
                &mut self.plan.budget.items_per_s,
                0.001..=10_000.0,
                tr(" items/s"),
                tr("Throughput budget"),
            );
        });
        let names = [tr("People miss"), tr("People divert good ones")];
        for (name, (is_known, percent)) in names.into_iter().zip(&mut self.baseline) {
            row(ui, name, |ui| {
                ui.checkbox(is_known, tr("measured"));
                ui.add_enabled_ui(*is_known, |ui| number(ui, percent, 0.0..=100.0, " %", name));
            });
        }
        row(ui, tr("How that was measured"), |ui| {
            text(ui, &mut self.plan.baseline.note, tr("How that was measured"));
        });
        row(ui, tr("Threads of the network"), |ui| {
            number_usize(ui, &mut self.plan.threads.network, THREADS, tr("Threads of the network"));
        });
        row(ui, tr("Threads that decode"), |ui| {
            number_usize(ui, &mut self.plan.threads.decode, THREADS, tr("Threads that decode"));
        });
    }

    fn source_ui(&mut self, ui: &mut Ui) {
        let source = &mut self.plan.source;
        row(ui, tr("Watched folder"), |ui| text(ui, &mut source.path, tr("Watched folder")));
        row(ui, tr("Files are named"), |ui| text(ui, &mut source.pattern, tr("Files are named")));
        row(ui, tr("Golden reference"), |ui| text(ui, &mut self.reference, tr("Golden reference")));
        row(ui, tr("Afterwards"), |ui| {
            let name = |after| match after {
                AfterIngest::Done => tr("moved into done/"),
                AfterIngest::Leave => tr("left where they are"),
            };
            egui::ComboBox::from_id_salt("after").selected_text(name(source.after)).show_ui(ui, |ui| {
                for after in [AfterIngest::Done, AfterIngest::Leave] {
                    ui.selectable_value(&mut source.after, after, name(after));
                }
            });
        });
        row(ui, tr("Complete after standing still for"), |ui| {
            number(ui, &mut source.settle_secs, 0.01..=600.0, " s", tr("Settle time"));
        });
        row(ui, tr("Looked at again every"), |ui| {
            number(ui, &mut source.rescan_secs, 0.1..=3600.0, " s", tr("Rescan time"));
        });
    }

    fn review_ui(&mut self, ui: &mut Ui) {
        row(ui, tr("The model's suggestion"), |ui| {
            let name = |mode| match mode {
                ReviewMode::Hidden => tr("is hidden"),
                ReviewMode::DecideFirst => tr("comes after a first answer"),
                ReviewMode::Shown => tr("is shown"),
            };
            egui::ComboBox::from_id_salt("mode")
                .width(220.0)
                .selected_text(name(self.plan.review.mode))
                .show_ui(ui, |ui| {
                    for mode in [ReviewMode::Hidden, ReviewMode::DecideFirst, ReviewMode::Shown] {
                        ui.selectable_value(&mut self.plan.review.mode, mode, name(mode));
                    }
                });
        });
        row(ui, tr("An item stays with a person for"), |ui| {
            number(ui, &mut self.plan.review.lease_secs, 1.0..=86_400.0, " s", tr("Lease"));
        });
        row(ui, tr("Sounds are played at one loudness"), |ui| {
            ui.checkbox(&mut self.plan.review.even_loudness, tr("For listening only"));
        });
        row(ui, tr("Silence at both ends is not played"), |ui| {
            ui.checkbox(&mut self.plan.review.skip_silence, tr("Skip silence"));
        });
    }

    /// Random checks, watching, a full queue, and when a replay trains.
    fn guard_ui(&mut self, ui: &mut Ui) {
        let Plan { audit, watch, queue, retrain, .. } = &mut self.plan;
        for (name, value, range) in [
            (tr("Share of automatic decisions that is checked"), &mut audit.share, 0.001..=1.0),
            (tr("Of that, at least this part everywhere"), &mut audit.floor, 0.01..=1.0),
            (tr("Share of questions that is asked blind"), &mut audit.blind, 0.01..=0.99),
            (tr("Chance of calling a kept promise broken"), &mut watch.false_alarm, 0.001..=0.5),
        ] {
            row(ui, name, |ui| number(ui, value, range, "", name));
        }
        for (name, value, range, unit) in [
            (
                tr("Between two false alarms of the input charts"),
                &mut watch.items_between_false_alarms,
                100.0..=1e9,
                tr(" items"),
            ),
            (tr("Evidence is stale without a check for"), &mut watch.stale_days, 0.01..=3650.0, tr(" days")),
            (tr("A picture is strange from"), &mut watch.outlier, 3.0..=100.0, tr(" deviations")),
        ] {
            row(ui, name, |ui| number(ui, value, range, unit, name));
        }
        row(ui, tr("The queue is full with"), |ui| {
            number_u32(ui, &mut queue.most, 1..=10_000_000, tr(" questions"), tr("The queue is full with"));
        });
        row(ui, tr("Then"), |ui| {
            let name = |rule| match rule {
                WhenFull::Hold => tr("nothing is taken in"),
                WhenFull::Divert => tr("what would be asked is diverted"),
                WhenFull::Call => tr("people are called"),
            };
            egui::ComboBox::from_id_salt("when-full")
                .width(220.0)
                .selected_text(name(queue.when_full))
                .show_ui(ui, |ui| {
                    for rule in [WhenFull::Hold, WhenFull::Divert, WhenFull::Call] {
                        ui.selectable_value(&mut queue.when_full, rule, name(rule));
                    }
                });
        });
        row(ui, tr("A replay trains from"), |ui| {
            number_u32(ui, &mut retrain.labels, 0..=1_000_000, tr(" labels"), tr("A replay trains from"));
        });
    }

    fn retention_ui(&mut self, ui: &mut Ui) {
        let t = tokens(ui);
        ui.label(note(
            tr("Pictures that a rule names are erased; the log keeps their hash and the rule."),
            t,
        ));
        let mut gone = None;
        for (i, rule) in self.plan.retention.iter_mut().enumerate() {
            ui.horizontal(|ui| {
                text(ui, &mut rule.name, &format!("{} {}", tr("Rule"), i + 1));
                number(ui, &mut rule.days, 0.0..=100_000.0, tr(" days"), tr("Days"));
                let name = |decision: Option<crate::domain::Outcome>| {
                    decision.map_or(tr("any"), crate::domain::Outcome::as_str)
                };
                egui::ComboBox::from_id_salt(("retention", i)).selected_text(name(rule.decision)).show_ui(
                    ui,
                    |ui| {
                        use crate::domain::Outcome;
                        for decision in
                            [None, Some(Outcome::Pass), Some(Outcome::Divert), Some(Outcome::Review)]
                        {
                            ui.selectable_value(&mut rule.decision, decision, name(decision));
                        }
                    },
                );
                ui.checkbox(&mut rule.labelled_too, tr("labelled too"));
                if ui.button(tr("Remove")).clicked() {
                    gone = Some(i);
                }
            });
        }
        if let Some(i) = gone {
            self.plan.retention.remove(i);
        }
        if ui.button(tr("Add a rule")).clicked() {
            let name = format!("{} {}", tr("rule"), self.plan.retention.len() + 1);
            self.plan.retention.push(RetentionRule {
                name,
                days: 365.0,
                decision: None,
                labelled_too: false,
            });
        }
    }

    fn simulator_ui(&mut self, ui: &mut Ui) {
        let mut has = self.plan.simulator.is_some();
        ui.checkbox(&mut has, tr("A simulated line stands in for camera or microphone"));
        if has != self.plan.simulator.is_some() {
            self.plan.simulator = has.then(SimulatorSettings::default);
        }
        let Some(simulator) = &mut self.plan.simulator else { return };
        row(ui, tr("Makes"), |ui| {
            let name = |kind| match kind {
                SimulatorKind::Phone => tr("pictures of phones"),
                SimulatorKind::Motor => tr("sounds of motors"),
            };
            let mut kind = simulator.kind;
            egui::ComboBox::from_id_salt("simulator").selected_text(name(kind)).show_ui(ui, |ui| {
                for other in [SimulatorKind::Phone, SimulatorKind::Motor] {
                    ui.selectable_value(&mut kind, other, name(other));
                }
            });
            *simulator = simulator.of_kind(kind);
        });
        row(ui, tr("Units"), |ui| {
            number(ui, &mut simulator.units_per_minute, 0.1..=6000.0, tr(" a minute"), tr("Units a minute"));
        });
        row(ui, tr("Share with a defect"), |ui| {
            number(ui, &mut simulator.defect_share, 0.0..=1.0, "", tr("Share with a defect"));
        });
        if simulator.kind == SimulatorKind::Phone {
            row(ui, tr("Light"), |ui| number(ui, &mut simulator.light, 0.1..=3.0, "", tr("Light")));
        }
    }
}

fn section(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui)) {
    let t = tokens(ui);
    ui.add_space(SPACE[2]);
    ui.label(secondary(title, t).strong());
    egui::Frame::new()
        .fill(t.background[1])
        .stroke(egui::Stroke::new(1.0, t.line))
        .corner_radius(10)
        .inner_margin(SPACE[2])
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            add(ui);
        });
}

pub(super) fn row(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui)) {
    let t = tokens(ui);
    ui.horizontal(|ui| {
        ui.allocate_ui_with_layout(
            vec2(230.0, 32.0),
            egui::Layout::left_to_right(egui::Align::Center),
            |ui| {
                ui.set_min_width(230.0);
                ui.label(secondary(name, t));
            },
        );
        add(ui);
    });
}

pub(super) fn text(ui: &mut Ui, value: &mut String, name: &str) {
    let response = ui.add(egui::TextEdit::singleline(value).desired_width(280.0).margin(vec2(8.0, 7.0)));
    response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
}

pub(super) fn number(ui: &mut Ui, value: &mut f64, range: RangeInclusive<f64>, unit: &str, name: &str) {
    let speed = (range.end() - range.start()) / 2000.0;
    let response =
        ui.add(DragValue::new(value).range(range).speed(speed.min(1.0)).max_decimals(4).suffix(unit));
    response.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, name));
}

fn number_u32(ui: &mut Ui, value: &mut u32, range: RangeInclusive<u32>, unit: &str, name: &str) {
    let response = ui.add(DragValue::new(value).range(range).speed(0.05).suffix(unit));
    response.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, name));
}

pub(super) fn number_usize(ui: &mut Ui, value: &mut usize, range: RangeInclusive<usize>, name: &str) {
    let response = ui.add(DragValue::new(value).range(range).speed(0.05));
    response.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, name));
}

/// The two ends of a form.
pub fn save_row_ui(ui: &mut Ui, is_changed: bool, trouble: Option<&str>) -> (bool, bool) {
    let t = tokens(ui);
    let mut asked = (false, false);
    ui.horizontal(|ui| {
        asked.0 = ui
            .add_enabled_ui(is_changed && trouble.is_none(), |ui| button_ui(ui, tr("Save the plan"), true))
            .inner
            .clicked();
        asked.1 =
            ui.add_enabled_ui(is_changed, |ui| button_ui(ui, tr("Discard changes"), false)).inner.clicked();
        match trouble {
            Some(why) => warning_ui(ui, why),
            None if is_changed => ui.label(note(tr("The station starts again with the new plan"), t)),
            None => ui.label(note(tr("As it is in line.toml"), t)),
        };
    });
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Limit;

    #[test]
    fn limits_of_classes_stay_with_their_class_and_go_with_it() {
        let limit = Limit { limit: Probability::saturating(0.02), confidence: Probability::saturating(0.95) };
        let class = |name: &str, route| Class { name: name.into(), route };
        let classes =
            vec![class("good", Route::Pass), class("scratch", Route::Divert), class("crack", Route::Divert)];
        let mut plan = Plan::new("Tiles", Task::Defect, classes);
        plan.promise.miss = Some(limit);
        plan.promise.class.entry("crack".into()).or_default().miss = Some(limit);
        let mut form = PlanForm::new(&plan);
        assert_eq!(form.plan().unwrap(), plan);
        form.plan.classes[2].name = "burr".into();
        assert_eq!(form.plan().unwrap().promise.class["burr"].miss, Some(limit));
        form.plan.classes[2].route = Route::Pass;
        assert!(form.plan().unwrap().promise.class.is_empty());
        form.plan.classes[2].route = Route::Divert;
        form.plan.classes.remove(1);
        form.limits.remove_class(1);
        assert_eq!(form.plan().unwrap().promise.class["burr"].miss, Some(limit));
    }

    #[test]
    fn a_plan_goes_through_the_form_unchanged_and_nonsense_is_named() {
        let mut plan =
            Plan::new("Tiles", Task::Defect, vec![Class { name: "good".into(), route: Route::Pass }]);
        plan.promise.miss =
            Some(Limit { limit: Probability::saturating(0.02), confidence: Probability::saturating(0.95) });
        plan.source.reference = Some("golden/{product}.png".into());
        plan.baseline.overkill = Some(Probability::saturating(0.25));
        let mut form = PlanForm::new(&plan);
        assert_eq!(form.plan().unwrap(), plan);
        form.plan.classes.push(Class { name: "good".into(), route: Route::Divert });
        assert!(form.plan().unwrap_err().contains("twice"));
        form.plan.classes.pop();
        form.plan.source.pattern = "{position}".into();
        assert!(form.plan().unwrap_err().contains("{unit}"));
        form.plan.source.pattern = "{unit}".into();
        form.plan.audit.share = 0.0;
        assert!(form.plan().unwrap_err().contains("audit.share"));
        form.plan.audit.share = 0.05;
        form.plan.name = " ".into();
        assert!(form.plan().is_err());
    }
}
