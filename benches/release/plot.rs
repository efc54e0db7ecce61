//! The way of the candidates as a picture.

use super::{Shop, show};
use secondlook::domain::{LabelledItem, ReleaseState};
use secondlook::engine::{self, CompareReport, find_model};
use std::fmt::Write;

/// Wrong calls that only the candidate makes minus those that only the live model makes, item by item.
#[derive(Default)]
pub struct Trace {
    stages: Vec<(String, Vec<[f64; 2]>)>,
    arrived: usize,
}

impl Trace {
    /// Lets items arrive while `goes_on`, and notes after every few how the candidate stands.
    pub fn run(
        &mut self,
        shop: &mut Shop,
        items: &[LabelledItem],
        [stage, name]: [&str; 2],
        mut goes_on: impl FnMut(&CompareReport) -> bool,
    ) -> usize {
        let model = find_model(Some(&shop.folder), name).unwrap();
        let (start, mut points) = (self.arrived, vec![[self.arrived as f64, 0.0]]);
        let mut last = None;
        let n = shop.run(items, |line| {
            let report = engine::compare(line, &model).unwrap();
            // What was taken back is not compared any more.
            if report.state == Some(ReleaseState::Retired) {
                return false;
            }
            let calls = report.calls;
            let more = calls.only_candidate_wrong as f64 - calls.only_live_wrong as f64;
            points.push([(start + 5 * points.len()) as f64, more]);
            let goes_on = goes_on(&report);
            last = Some(report);
            goes_on
        });
        if let Some(report) = &last {
            show(stage, n, report);
        }
        self.arrived += n;
        self.stages.push((stage.to_owned(), points));
        n
    }

    pub fn svg(&self) -> String {
        let (width, height) = (900.0, 320.0);
        let all = || self.stages.iter().flat_map(|(_, points)| points);
        let (low, high) = all().fold((0.0_f64, 0.0_f64), |(low, high), p| (low.min(p[1]), high.max(p[1])));
        let x = |items: f64| 50.0 + (width - 70.0) * items / self.arrived.max(1) as f64;
        let y = |more: f64| 40.0 + (height - 80.0) * (high - more) / (high - low).max(1.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\" fill=\"#5d6a78\"><rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\
             <text x=\"8\" y=\"16\">wrong calls of the candidate alone, minus those of the live model alone</text>\
             <line x1=\"50\" x2=\"{width}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#cfd6de\"/>\
             <text x=\"8\" y=\"{1:.1}\">{high:+.0}</text><text x=\"8\" y=\"{0:.1}\">0</text>\
             <text x=\"8\" y=\"{2:.1}\">{low:+.0}</text><text x=\"{3:.1}\" y=\"{4:.1}\">{5} items</text>",
            y(0.0),
            y(high),
            y(low),
            width - 80.0,
            height - 6.0,
            self.arrived,
        );
        for (number, (stage, points)) in self.stages.iter().enumerate() {
            let color = if stage.starts_with("nonsense") { "#b8420f" } else { "#0b6fa8" };
            let line: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p[0]), y(p[1]))).collect();
            let end = points.last().copied().unwrap_or_default();
            // Names of neighbours on two heights, so that they stay apart.
            let name_y = height - 24.0 - 14.0 * (number % 2) as f64;
            let _ = write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
                 <circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"/>\
                 <text x=\"{:.1}\" y=\"{name_y:.1}\" fill=\"{color}\">{stage}</text>",
                line.join(" "),
                x(end[0]),
                y(end[1]),
                x(points[0][0]),
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}
