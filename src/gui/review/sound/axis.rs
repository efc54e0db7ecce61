//! Which stretch of a sound is on the screen, and where each moment lies. Pure.

/// Points of the screen for one sample, at most: samples are seen one by one.
const POINTS_PER_SAMPLE_MAX: f64 = 24.0;
/// Between two numbers of the ruler, in points.
const TICK_POINTS: f64 = 96.0;
/// Around a stretch that is zoomed to, as a share of it.
const AROUND: f64 = 0.25;

/// Follows the whole sound until somebody zooms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeAxis {
    zoomed: Option<Zoomed>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Zoomed {
    /// At the left end.
    start: f64,
    secs_per_point: f64,
}

/// The axis on the screen: between seconds and points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ruled {
    pub left: f32,
    pub width: f32,
    pub start: f64,
    pub secs_per_point: f64,
}

impl Ruled {
    pub fn secs_at(self, x: f32) -> f64 {
        self.start + f64::from(x - self.left) * self.secs_per_point
    }

    pub fn x_at(self, secs: f64) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
        let x = ((secs - self.start) / self.secs_per_point).clamp(-1e6, 1e6) as f32;
        self.left + x
    }

    pub fn end(self) -> f64 {
        self.start + f64::from(self.width) * self.secs_per_point
    }

    /// Seconds from one number to the next: 1, 2 or 5 of a power of ten, and above ten seconds what
    /// clocks count in.
    pub fn step(self) -> f64 {
        let wanted = TICK_POINTS * self.secs_per_point;
        let clock = [10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0];
        let mut decade = 1e-5;
        while decade < 10.0 {
            for of in [1.0, 2.0, 5.0] {
                if of * decade >= wanted {
                    return of * decade;
                }
            }
            decade *= 10.0;
        }
        clock.into_iter().find(|step| *step >= wanted).unwrap_or(28_800.0)
    }

    /// The moments that get a number.
    pub fn ticks(self) -> Vec<f64> {
        let step = self.step();
        #[expect(clippy::cast_possible_truncation, reason = "a count of steps")]
        let (first, last) = ((self.start / step).ceil() as i64, (self.end() / step).floor() as i64);
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

impl TimeAxis {
    pub fn is_fit(self) -> bool {
        self.zoomed.is_none()
    }

    pub fn ruled(self, left: f32, width: f32, secs: f64) -> Ruled {
        let width = width.max(1.0);
        let fit = Zoomed { start: 0.0, secs_per_point: secs.max(1e-6) / f64::from(width) };
        let Zoomed { start, secs_per_point } = self.zoomed.unwrap_or(fit);
        Ruled { left, width, start, secs_per_point }
    }

    /// So many times as large; the moment `at` stays where it is.
    pub fn zoom(&mut self, now: Ruled, factor: f64, at: f64, secs: f64, rate_hz: u32) {
        let finest = 1.0 / (f64::from(rate_hz.max(1)) * POINTS_PER_SAMPLE_MAX);
        let coarsest = (secs / f64::from(now.width)).max(finest);
        let secs_per_point = (now.secs_per_point / factor).clamp(finest, coarsest);
        let start = at - (at - now.start) * secs_per_point / now.secs_per_point;
        self.place(start, secs_per_point, now.width, secs);
    }

    /// Moves the sound by points of the screen.
    pub fn pan(&mut self, now: Ruled, points: f32, secs: f64) {
        let start = now.start - f64::from(points) * now.secs_per_point;
        self.place(start, now.secs_per_point, now.width, secs);
    }

    /// Shows a stretch with some of what is around it.
    pub fn show(&mut self, now: Ruled, [from, to]: [f64; 2], secs: f64, rate_hz: u32) {
        let around = ((to - from) * AROUND).max(8.0 / f64::from(rate_hz.max(1)));
        let wanted = to - from + 2.0 * around;
        self.place(from - around, wanted / f64::from(now.width), now.width, secs);
    }

    /// Brings a moment onto the screen, at its left, where it is not there.
    pub fn follow(&mut self, now: Ruled, at: f64, secs: f64) {
        if self.zoomed.is_some() && !(now.start..now.end()).contains(&at) {
            self.place(at - 0.05 * (now.end() - now.start), now.secs_per_point, now.width, secs);
        }
    }

    /// Never shows anything beyond the ends.
    fn place(&mut self, start: f64, secs_per_point: f64, width: f32, secs: f64) {
        let shown = secs_per_point * f64::from(width);
        self.zoomed = (shown < secs * (1.0 - 1e-9))
            .then(|| Zoomed { start: start.clamp(0.0, secs - shown), secs_per_point });
    }
}

/// A moment as the ruler writes it, with as many places as a step needs.
pub fn moment(secs: f64, step: f64) -> String {
    let places = match step {
        step if step >= 1.0 => 0,
        step if step >= 0.1 => 1,
        step if step >= 0.01 => 2,
        step if step >= 0.001 => 3,
        step if step >= 0.0001 => 4,
        _ => 5,
    };
    let unit = 10_f64.powi(places);
    let rounded = (secs * unit).round() / unit;
    #[expect(clippy::cast_possible_truncation, reason = "hours")]
    let minutes = (rounded / 60.0).floor() as i64;
    let rest = rounded - minutes as f64 * 60.0;
    let width = if places == 0 { 2 } else { 3 + usize::try_from(places).unwrap_or(0) };
    let places = usize::try_from(places).unwrap_or(0);
    match minutes {
        0 => format!("{rest:.places$}"),
        1..60 => format!("{minutes}:{rest:0width$.places$}"),
        _ => format!("{}:{:02}:{rest:0width$.places$}", minutes / 60, minutes % 60),
    }
}

/// A moment with its unit: minutes and hours say by themselves what they are.
pub fn spoken(secs: f64, step: f64) -> String {
    let text = moment(secs, step);
    if text.contains(':') { text } else { format!("{text} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECS: f64 = 10_800.0;
    const RATE: u32 = 44_100;

    #[test]
    fn a_moment_comes_back_from_its_place_to_the_sample_from_hours_to_milliseconds() {
        let mut axis = TimeAxis::default();
        let at = 7_654.321;
        let mut ruled = axis.ruled(60.0, 1_000.0, SECS);
        for _ in 0..80 {
            let x = ruled.x_at(at);
            let back = ruled.secs_at(x);
            assert!((back - at).abs() <= ruled.secs_per_point * 0.01, "{back} {ruled:?}");
            axis.zoom(ruled, 1.25, at, SECS, RATE);
            let next = axis.ruled(60.0, 1_000.0, SECS);
            assert!((next.x_at(at) - x).abs() < 0.1, "what is zoomed at moves");
            ruled = next;
        }
        // At the end one sample is several points wide, and each is told apart.
        let sample = 1.0 / f64::from(RATE);
        let wide = ruled.x_at(at + sample) - ruled.x_at(at);
        assert!((wide - 24.0).abs() < 0.1, "{wide}");
    }

    #[test]
    fn nothing_beyond_the_ends_is_shown_and_zooming_out_ends_at_the_whole() {
        let mut axis = TimeAxis::default();
        let ruled = |axis: TimeAxis| axis.ruled(0.0, 500.0, 10.0);
        axis.zoom(ruled(axis), 4.0, 9.9, 10.0, 8000);
        axis.pan(ruled(axis), -1e6, 10.0);
        assert!((ruled(axis).end() - 10.0).abs() < 1e-9);
        axis.pan(ruled(axis), 1e6, 10.0);
        assert_eq!(ruled(axis).start, 0.0);
        axis.show(ruled(axis), [2.0, 4.0], 10.0, 8000);
        assert!((ruled(axis).start - 1.5).abs() < 1e-9 && (ruled(axis).end() - 4.5).abs() < 1e-9);
        axis.follow(ruled(axis), 7.0, 10.0);
        assert!(ruled(axis).start > 6.5 && ruled(axis).start < 7.0);
        axis.zoom(ruled(axis), 0.01, 3.0, 10.0, 8000);
        assert!(axis.is_fit());
    }

    #[test]
    fn the_ruler_counts_as_clocks_do() {
        let steps = [(1e-6, 1e-4), (1e-4, 0.01), (0.003, 0.5), (0.05, 5.0), (0.2, 30.0), (10.8, 1800.0)];
        for (secs_per_point, step) in steps {
            let ruled = Ruled { left: 0.0, width: 1000.0, start: 0.0, secs_per_point };
            assert!((ruled.step() / step - 1.0).abs() < 1e-9, "{secs_per_point}: {}", ruled.step());
            assert!(ruled.ticks().len() <= 12);
        }
        assert_eq!(moment(3.25, 0.01), "3.25");
        assert_eq!(moment(75.0, 1.0), "1:15");
        assert_eq!(moment(61.5, 0.1), "1:01.5");
        assert_eq!(moment(7384.004, 0.001), "2:03:04.004");
        assert_eq!(moment(59.999_9, 0.1), "1:00.0");
        assert_eq!([3.25, 75.0, 7384.0].map(|secs| spoken(secs, 1.0)), ["3 s", "1:15", "2:03:04"]);
    }
}
