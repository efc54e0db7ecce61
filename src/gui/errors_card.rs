//! Where a model errs: measured on the line's labels or on a frozen version of them, and taken apart.

use super::album::{paint_sound_mark, paint_thumb};
use super::layout::{figures_ui, halves_ui};
use super::page::Page;
use super::side::{Drawn, Side};
use super::texts::tr;
use super::theme::{BODY, NOTE, SECONDARY, SPACE, Tokens};
use super::verbs::Verb;
use super::widgets::{Mark, button_ui, card_ui, note, percent, probability, progress_ui, secondary, told_ui};
use crate::domain::{Filter, MediaKind, Region};
use crate::engine::{
    self, AnalyseJob, AnalyseOver, Analysis, AnalysisReport, Ask, Changed, EngineError, Line,
    ModelComparison, NO_WORD, PredictedRegion, SliceKind, Task, find_model,
};
use eframe::egui::{self, Align2, Color32, FontId, Grid, RichText, Role, Sense, Ui, WidgetInfo, vec2};

/// Slices that are shown: those that are surely worse than the rest come first.
const SLICES_SHOWN: usize = 12;
const GALLERY_SHOWN: usize = 12;
const CHANGED_SHOWN: usize = 6;
/// Width that the figures of a slice take, and the least of its name.
const SLICE_FIGURES: f32 = 300.0;
const SLICE_NAME_MIN: f32 = 110.0;
const THUMB_SIDE: f32 = 132.0;
/// Bootstrap intervals are the same each time.
const SEED: u64 = 1;
/// A difference is shown where chance alone would make one like it less often.
const SURE: f64 = 0.05;

#[derive(Default)]
pub(super) struct ErrorsCard {
    against: Option<String>,
    /// A frozen version; the labels of today without one.
    version: Option<String>,
    unseen_only: bool,
    running: Option<Task<AnalysisReport>>,
    /// Of which model it is.
    found: Option<(String, Box<AnalysisReport>)>,
    of: String,
    /// By its name, from anywhere.
    is_asked: bool,
    opened: Opened,
}

impl ErrorsCard {
    /// Measures as soon as it is looked at.
    pub fn ask(&mut self) {
        self.is_asked = true;
    }

    /// `others` and `versions` are what it may be held against and measured on.
    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str, others: &[&str], versions: &[&str]) {
        self.follow(page);
        card_ui(ui, tr("Where it errs"), |ui| {
            if let Some(task) = &self.running {
                let progress = task.progress();
                progress_ui(ui, progress.share, &progress.what, task.seconds_left());
                if button_ui(ui, tr("Cancel"), false).clicked() {
                    task.cancel();
                }
            } else if self.form_ui(ui, page.tokens, others, versions) || std::mem::take(&mut self.is_asked) {
                name.clone_into(&mut self.of);
                match self.measure(ui.ctx(), page, name) {
                    Ok(task) => self.running = Some(task),
                    Err(error) => page.toasts.trouble(error.to_string()),
                }
            }
        });
        ui.add_space(SPACE[1]);
        let Self { found: Some((of, report)), opened, .. } = self else { return };
        if of == name {
            report_ui(ui, page, report, opened);
        }
    }

    fn follow(&mut self, page: &mut Page<'_>) {
        let Some(done) = self.running.as_mut().and_then(Task::result) else { return };
        self.running = None;
        match done {
            Ok(report) => self.found = Some((self.of.clone(), Box::new(report))),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }

    fn form_ui(&mut self, ui: &mut Ui, t: Tokens, others: &[&str], versions: &[&str]) -> bool {
        ui.horizontal_wrapped(|ui| {
            ui.label(secondary(tr("on"), t));
            choice_ui(ui, "over", tr("the labels of today"), &mut self.version, versions);
            ui.label(secondary(tr("against"), t));
            choice_ui(ui, "against", tr("no other"), &mut self.against, others);
            ui.checkbox(&mut self.unseen_only, tr("only units that it has not learnt from"));
            button_ui(ui, tr("Measure"), true).clicked()
        })
        .inner
    }

    fn measure(
        &self,
        ctx: &egui::Context,
        page: &Page<'_>,
        name: &str,
    ) -> Result<Task<AnalysisReport>, EngineError> {
        let (folder, wake, name) = (page.session.folder.clone(), ctx.clone(), name.to_owned());
        let (against, version) = (self.against.clone(), self.version.clone());
        let unseen_only = self.unseen_only;
        Task::start(
            tr("Measuring"),
            move || wake.request_repaint(),
            move |control| {
                let mut line = Line::open(&folder, super::feed::ACTOR)?;
                let model = find_model(Some(&folder), &name)?;
                let against = against.map(|other| find_model(Some(&folder), &other)).transpose()?;
                let over =
                    version.map_or_else(|| AnalyseOver::Labels(Filter::default()), AnalyseOver::Version);
                let job =
                    AnalyseJob { model: &model, against: against.as_ref(), over, unseen_only, seed: SEED };
                engine::analyse(&mut line, job, super::feed::ACTOR, control.cancel(), &mut |done, all| {
                    control.count(done, all, tr("items"));
                })
            },
        )
    }
}

/// One of the names, or none of them.
fn choice_ui(ui: &mut Ui, id: &str, none: &str, chosen: &mut Option<String>, names: &[&str]) {
    if chosen.as_ref().is_some_and(|name| !names.contains(&name.as_str())) {
        *chosen = None;
    }
    egui::ComboBox::from_id_salt(id).selected_text(chosen.as_deref().unwrap_or(none)).show_ui(ui, |ui| {
        ui.selectable_value(chosen, None, none);
        for name in names {
            ui.selectable_value(chosen, Some((*name).to_owned()), *name);
        }
    });
}

fn report_ui(ui: &mut Ui, page: &mut Page<'_>, report: &AnalysisReport, opened: &mut Opened) {
    let (t, analysis) = (page.tokens, &report.analysis);
    report_figures_ui(ui, report);
    ui.add_space(SPACE[1]);
    let left = |ui: &mut Ui| {
        card_ui(ui, tr("What it says of what"), |ui| confusion_ui(ui, analysis, t));
        ui.add_space(SPACE[1]);
        card_ui(ui, tr("What would help most"), |ui| {
            for advice in &analysis.would_help_most {
                ui.label(RichText::new(&advice.advice).size(SECONDARY));
            }
            if analysis.would_help_most.is_empty() {
                ui.label(note(tr("Nothing stands out"), t));
            }
        });
    };
    halves_ui(ui, left, |ui| {
        card_ui(ui, tr("Slices that are worse than the rest first"), |ui| slices_ui(ui, analysis, t));
    });
    ui.add_space(SPACE[1]);
    card_ui(ui, tr("The worst items: what people say, and what it says"), |ui| {
        shown_ui(ui, analysis.worst.len().min(GALLERY_SHOWN), analysis.all.errors, t);
        let shots = analysis.worst.iter().take(GALLERY_SHOWN).map(|one| {
            let said = format!("{} {}", one.said, probability(1.0 - one.probability));
            (one.item, one.group.as_str(), format!("{}: {said}", one.truth))
        });
        opened.gallery_ui(ui, page, report, shots);
    });
    if let Some(against) = &analysis.against {
        ui.add_space(SPACE[1]);
        against_ui(ui, page, report, against, opened);
    }
}

fn report_figures_ui(ui: &mut Ui, report: &AnalysisReport) {
    let (all, overlap) = (&report.analysis.all, &report.training);
    let wrong = format!("[{}, {}] · n = {}", percent(all.low), percent(all.high), all.n);
    let [first, second] = if let Some([missed, inserted, said]) = words_lost(report) {
        let about = |word| format!("{word} {said} {}", tr("words that were said"));
        [
            (tr("Words missed"), missed.to_string(), about(tr("of"))),
            (tr("Words inserted"), inserted.to_string(), about(tr("beside"))),
        ]
    } else {
        let rows = &report.evaluation.predictions;
        let bad = rows.iter().filter(|row| row.defective).count();
        let of = |count: usize, n: usize, what| {
            let share = count as f64 / n.max(1) as f64;
            format!("{} {n} {what}, {}", tr("of"), percent(share))
        };
        let good = rows.len() - bad;
        [
            (tr("Missed"), all.missed.to_string(), of(all.missed, bad, tr("defective items, called good"))),
            (
                tr("False alarms"),
                all.false_alarms.to_string(),
                of(all.false_alarms, good, tr("good items, called defective")),
            ),
        ]
    };
    let (learnt, about) = match &overlap.unknown {
        None => (overlap.learnt_units.to_string(), format!("{} {} {}", tr("of"), overlap.units, tr("units"))),
        Some(unknown) => ("?".to_owned(), unknown.clone()),
    };
    figures_ui(
        ui,
        &[
            [tr("Named wrongly"), &percent(all.rate), &wrong],
            [first.0, &first.1, &first.2],
            [second.0, &second.1, &second.2],
            [tr("It has learnt from"), &learnt, &about],
        ],
    );
}

/// How many of all are shown, where not all are.
fn shown_ui(ui: &mut Ui, shown: usize, all: usize, t: Tokens) {
    if shown < all {
        ui.label(note(format!("{shown} {} {all}", tr("of")), t));
    }
}

/// Words missed, words inserted, and all that were said; `None` where nothing is written down.
fn words_lost(report: &AnalysisReport) -> Option<[usize; 3]> {
    let is_said = report.evaluation.predictions.iter().any(|row| row.transcript.is_some());
    let confusion = Some(&report.analysis.confusion).filter(|_| is_said)?;
    let none = confusion.classes.iter().position(|class| class == NO_WORD);
    let missed = none.map_or(0, |at| confusion.counts.iter().map(|row| row[at]).sum());
    let inserted = none.map_or(0, |at| confusion.counts[at].iter().sum());
    let all: usize = confusion.counts.iter().flatten().sum();
    Some([missed, inserted, all - inserted])
}

/// True class down, the model's across; what is right stands on the diagonal.
fn confusion_ui(ui: &mut Ui, analysis: &Analysis, t: Tokens) {
    let confusion = &analysis.confusion;
    Grid::new("confusion").min_row_height(0.0).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        ui.label(note(tr("people down, model across"), t));
        for class in &confusion.classes {
            ui.label(note(class, t));
        }
        ui.end_row();
        for (row, class) in confusion.classes.iter().enumerate() {
            ui.label(secondary(class, t));
            for (column, count) in confusion.counts[row].iter().enumerate() {
                let color = match (row == column, *count) {
                    (_, 0) => t.text[2],
                    (true, _) => t.text[0],
                    (false, _) => t.review,
                };
                ui.label(RichText::new(count.to_string()).size(BODY).color(color));
            }
            ui.end_row();
        }
    });
}

fn slices_ui(ui: &mut Ui, analysis: &Analysis, t: Tokens) {
    let name_width = (ui.available_width() - SLICE_FIGURES).max(SLICE_NAME_MIN);
    Grid::new("slices").num_columns(4).min_row_height(0.0).spacing(vec2(SPACE[2], SPACE[0])).show(ui, |ui| {
        for head in [tr("slice"), tr("wrong, 95 %"), tr("of"), tr("rest")] {
            ui.label(note(head, t));
        }
        ui.end_row();
        for slice in analysis.slices.iter().take(SLICES_SHOWN) {
            let e = &slice.errors;
            // Items of one unit err together: that it is worse is no more than that unit's.
            let is_worse = slice.worse_by_at_least > 0.0 && e.units > 1;
            let color = if is_worse { t.review } else { t.text[0] };
            let name = format!("{}: {}", slice_word(slice.kind), slice.name);
            // In a grid a text that may be cut is cut to nothing, unless it says how wide it is.
            ui.vertical(|ui| {
                ui.set_width(name_width);
                ui.add(egui::Label::new(RichText::new(name).size(SECONDARY).color(color)).wrap());
            });
            ui.label(secondary(format!("{} [{}, {}]", percent(e.rate), percent(e.low), percent(e.high)), t));
            ui.label(note(format!("{} · {} {}", e.n, e.units, tr("units")), t));
            ui.label(note(percent(slice.rest_rate), t));
            ui.end_row();
        }
    });
}

/// What a slice is made by.
pub(super) fn slice_word(kind: SliceKind) -> &'static str {
    match kind {
        SliceKind::Class => tr("class"),
        SliceKind::Unit => tr("unit"),
        SliceKind::Source => tr("source"),
        SliceKind::Time => tr("time"),
        SliceKind::Brightness => tr("brightness"),
        SliceKind::Sharpness => tr("sharpness"),
        SliceKind::Level => tr("level in dB"),
        SliceKind::NoiseFloor => tr("noise floor in dB"),
        SliceKind::Duration => tr("seconds"),
        SliceKind::SpeakingRate => tr("words a second"),
        SliceKind::Size => tr("size of the defect"),
        SliceKind::Agreement => tr("people"),
        SliceKind::Training => tr("training"),
    }
}

/// The item that was pressed in a gallery, twice: as people have answered it, and as the model sees it.
#[derive(Default)]
struct Opened {
    /// Its position among those that were measured.
    item: Option<usize>,
    /// Just now: it is to be seen.
    is_new: bool,
    sides: [Side; 2],
}

impl Opened {
    /// Items, each with its unit and a few words below; a press opens one beneath them.
    fn gallery_ui<'a>(
        &mut self,
        ui: &mut Ui,
        page: &mut Page<'_>,
        report: &AnalysisReport,
        shots: impl Iterator<Item = (usize, &'a str, String)>,
    ) {
        let (mut is_empty, mut is_here) = (true, false);
        ui.horizontal_wrapped(|ui| {
            for (item, unit, words) in shots {
                is_empty = false;
                let is_open = self.item == Some(item);
                if shot_ui(ui, page, report, (item, unit, &words), is_open) {
                    (self.item, self.is_new) = ((!is_open).then_some(item), !is_open);
                }
                is_here |= self.item == Some(item);
            }
        });
        if is_empty {
            ui.label(note(tr("None"), page.tokens));
        }
        if let Some(item) = self.item.filter(|_| is_here) {
            self.pair_ui(ui, page, report, item);
        }
    }

    fn pair_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, report: &AnalysisReport, item: usize) {
        let row = report.evaluation.predictions.iter().find(|row| row.item == item);
        let (Some(labelled), Some(row), Some(media)) = (report.items.get(item), row, report.media(item))
        else {
            return;
        };
        let seen: Vec<Region> = row.regions.iter().filter_map(PredictedRegion::region).collect();
        let said = row.transcript.as_ref().map(|text| format!("“{text}”"));
        let said = said.unwrap_or_else(|| {
            let probability = row.probabilities.get(&row.label).copied();
            let sure = probability.map_or_else(String::new, |p| format!(" {}", percent(p.get())));
            format!("{}{sure}", row.label)
        });
        let views = [
            (format!("{}: {}", tr("People"), row.truth), labelled.label.regions.as_slice(), true),
            (format!("{}: {said}", tr("The model")), seen.as_slice(), false),
        ];
        ui.columns(2, |columns| {
            for (((words, regions, is_label), side), ui) in
                views.into_iter().zip(&mut self.sides).zip(columns)
            {
                ui.label(RichText::new(words).size(BODY).strong());
                side.ui(ui, page, Drawn { media: &media, kind: labelled.kind, regions, is_label });
            }
        });
        if std::mem::take(&mut self.is_new) {
            ui.scroll_to_cursor(None);
        }
        if let Some(id) = report.ids.get(item)
            && button_ui(ui, tr("Open it in review"), false).clicked()
        {
            page.ask(Ask::Show(*id));
            page.verbs.push(Verb::PageReview);
        }
    }
}

/// A thumbnail with a few words and its unit; true when it was pressed.
fn shot_ui(
    ui: &mut Ui,
    page: &mut Page<'_>,
    report: &AnalysisReport,
    (item, unit, words): (usize, &str, &str),
    is_open: bool,
) -> bool {
    let t = page.tokens;
    let is_sound = report.items.get(item).is_some_and(|item| item.kind == MediaKind::Audio);
    let kind = if is_sound { tr(", sound") } else { "" };
    let (rect, response) = ui.allocate_exact_size(vec2(THUMB_SIDE, THUMB_SIDE + 36.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{unit}{kind}, {words}")));
    let place = egui::Rect::from_min_size(rect.min, vec2(THUMB_SIDE, THUMB_SIDE));
    if let Some(media) = report.media(item) {
        let is_chosen = is_open || response.has_focus();
        paint_thumb(ui.painter(), place, &page.session.album.thumb(&media), is_chosen, t);
    }
    if is_sound {
        paint_sound_mark(ui.painter(), place, t);
    }
    let painter = ui.painter().with_clip_rect(rect);
    let line = |y: f32, text: &str, color: Color32| {
        let at = place.left_bottom() + vec2(0.0, y);
        painter.text(at, Align2::LEFT_TOP, text, FontId::proportional(NOTE), color);
    };
    line(4.0, words, t.text[0]);
    line(20.0, unit, t.text[2]);
    response.on_hover_text(tr("As people see it, and as the model sees it")).clicked()
}

/// Items won and lost against another model.
fn against_ui(
    ui: &mut Ui,
    page: &mut Page<'_>,
    report: &AnalysisReport,
    against: &ModelComparison,
    opened: &mut Opened,
) {
    let t = page.tokens;
    card_ui(ui, &format!("{} {}", tr("Against"), against.model), |ui| {
        for (name, pairs) in [(tr("items"), against.items), (tr("units"), against.units)] {
            let mark = match () {
                () if pairs.p >= SURE => Mark::None,
                () if pairs.won > pairs.lost => Mark::Pass,
                () => Mark::Ask,
            };
            let shown = if mark == Mark::None { tr(": no difference is shown") } else { "" };
            let words = format!(
                "{name}: {} {}, {} {} · {} {}, {} {} · p = {:.4}{shown}",
                pairs.won,
                tr("won"),
                pairs.lost,
                tr("lost"),
                pairs.both_right,
                tr("both right"),
                pairs.both_wrong,
                tr("both wrong"),
                pairs.p
            );
            told_ui(ui, mark, words);
        }
        let both =
            [(tr("Won"), &against.won, against.items.won), (tr("Lost"), &against.lost, against.items.lost)];
        for (name, list, all) in both {
            ui.label(secondary(name, t).strong());
            shown_ui(ui, list.len().min(CHANGED_SHOWN), usize::try_from(all).unwrap_or(usize::MAX), t);
            let words =
                |one: &Changed| format!("{}: {} ({} {})", one.truth, one.said, tr("other:"), one.other_said);
            let shots = list.iter().take(CHANGED_SHOWN).map(|one| (one.item, one.group.as_str(), words(one)));
            opened.gallery_ui(ui, page, report, shots);
        }
    });
}
