//! Where a sound begins and ends, while it is being heard: nothing is known of what comes later.

use crate::domain::{EnergyCut, VoiceCut};
use std::ops::Range;

/// What a gate is set by. Times are frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateRule {
    /// It opens from the first score on, and stays open from the second on.
    pub begin: f32,
    pub end: f32,
    pub pause: u64,
    pub least: u64,
    pub most: u64,
    pub pre_roll: u64,
    pub post_roll: u64,
}

impl GateRule {
    #[must_use]
    pub fn voice(cut: &VoiceCut, rate_hz: u32) -> Self {
        Self::new(
            [cut.begin, cut.end],
            cut.pause_secs,
            [cut.secs_min, cut.secs_max],
            [cut.pre_roll_secs, cut.post_roll_secs],
            rate_hz,
        )
    }

    /// For scores in decibels above the noise.
    #[must_use]
    pub fn energy(cut: &EnergyCut, rate_hz: u32) -> Self {
        Self::new(
            [cut.begin_db, cut.end_db],
            cut.pause_secs,
            [cut.secs_min, cut.secs_max],
            [cut.pre_roll_secs, cut.post_roll_secs],
            rate_hz,
        )
    }

    fn new(scores: [f64; 2], pause: f64, lengths: [f64; 2], rolls: [f64; 2], rate_hz: u32) -> Self {
        let frames = |secs: f64| super::cut::frames_of(secs, rate_hz);
        #[expect(clippy::cast_possible_truncation, reason = "scores are kept in single precision")]
        let [begin, end] = scores.map(|score| score as f32);
        Self {
            begin,
            end,
            pause: frames(pause),
            least: frames(lengths[0]),
            most: frames(lengths[1]).max(1),
            pre_roll: frames(rolls[0]),
            // What comes behind the pause is not known when it ends.
            post_roll: frames(rolls[1].min(pause)),
        }
    }
}

/// What it hears now.
struct Open {
    /// The first frame of the clip, what is added before it included.
    from: u64,
    begin: u64,
    /// Behind the last hop that kept it open.
    end: u64,
    /// Ends and scores of the hops since `begin`.
    hops: Vec<(u64, f32)>,
}

/// Scores of moments, one after the other → clips, in frames of what is heard.
pub struct Gate {
    rule: GateRule,
    open: Option<Open>,
    /// The end of the clip before: nothing is in two clips.
    free_from: u64,
    heard: u64,
}

impl Gate {
    #[must_use]
    pub fn new(rule: GateRule) -> Self {
        Self { rule, open: None, free_from: 0, heard: 0 }
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// No later clip begins before this frame.
    #[must_use]
    pub fn needs_from(&self) -> u64 {
        let begin =
            self.open.as_ref().map_or(self.heard.saturating_sub(self.rule.pre_roll), |open| open.from);
        begin.max(self.free_from)
    }

    /// The next moment: the clip that has ended with it.
    pub fn push(&mut self, hop: Range<u64>, score: f32) -> Option<Range<u64>> {
        let rule = self.rule;
        self.heard = hop.end;
        let Some(open) = &mut self.open else {
            if score >= rule.begin {
                let from = hop.start.saturating_sub(rule.pre_roll).max(self.free_from);
                self.open = Some(Open { from, begin: hop.start, end: hop.end, hops: vec![(hop.end, score)] });
            }
            return None;
        };
        open.hops.push((hop.end, score));
        if score >= rule.end {
            open.end = hop.end;
        }
        if hop.end - open.end >= rule.pause {
            self.close(hop.end)
        } else if hop.end - open.begin >= rule.most {
            self.part()
        } else {
            None
        }
    }

    /// Nothing follows, at least not at once: the clip that is open ends with what was heard.
    pub fn finish(&mut self, heard: u64) -> Option<Range<u64>> {
        self.close(heard)
    }

    fn close(&mut self, heard: u64) -> Option<Range<u64>> {
        let open = self.open.take()?;
        if open.end - open.begin < self.rule.least {
            return None;
        }
        let end = (open.end + self.rule.post_roll).min(heard);
        self.free_from = end;
        Some(open.from..end)
    }

    /// What does not end is parted where it was quietest in its second half, and goes on.
    fn part(&mut self) -> Option<Range<u64>> {
        let open = self.open.as_mut()?;
        let middle = open.begin + self.rule.most / 2;
        let later = open.hops.iter().filter(|(end, _)| *end > middle);
        let (at, _) = later.min_by(|a, b| a.1.total_cmp(&b.1)).copied()?;
        let clip = open.from..at;
        open.hops.retain(|(end, _)| *end > at);
        (open.from, open.begin, open.end) = (at, at, open.end.max(at));
        self.free_from = at;
        Some(clip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: GateRule =
        GateRule { begin: 0.5, end: 0.3, pause: 30, least: 20, most: 200, pre_roll: 25, post_roll: 15 };

    /// Clips of hops of ten frames.
    fn clips(rule: GateRule, scores: &[f32]) -> Vec<Range<u64>> {
        let mut gate = Gate::new(rule);
        let mut clips = Vec::new();
        let mut needed = 0;
        for (at, score) in (0..).zip(scores) {
            let clip = gate.push(10 * at..10 * at + 10, *score);
            if let Some(clip) = &clip {
                assert!(clip.start >= needed, "{clip:?} was thought to be needed no more");
            }
            clips.extend(clip);
            assert!(gate.needs_from() >= needed);
            needed = gate.needs_from();
        }
        clips.extend(gate.finish(10 * scores.len() as u64));
        clips
    }

    fn scores(parts: &[(usize, f32)]) -> Vec<f32> {
        parts.iter().flat_map(|(hops, score)| vec![*score; *hops]).collect()
    }

    #[test]
    fn a_clip_has_what_is_around_it_and_short_pauses_and_no_clicks() {
        // A click of one hop, then five hops, a short pause at 0.4 which goes on, and two below.
        let heard = scores(&[
            (4, 0.0),
            (1, 0.9),
            (9, 0.0),
            (5, 0.9),
            (6, 0.4),
            (2, 0.1),
            (1, 0.35),
            (9, 0.0),
            (3, 0.6),
        ]);
        assert_eq!(clips(RULE, &heard), [140 - 25..280 + 15, 370 - 25..400]);
        // What follows closely begins no earlier than the one before ends.
        let close = scores(&[(5, 0.9), (3, 0.0), (1, 0.0), (5, 0.9), (4, 0.0)]);
        assert_eq!(clips(RULE, &close), [0..65, 65..155]);
        assert!(clips(RULE, &[]).is_empty());
    }

    #[test]
    fn what_does_not_end_is_parted_where_it_is_quietest_and_nothing_is_lost() {
        let mut long = scores(&[(50, 0.9), (5, 0.0)]);
        long[14] = 0.35;
        assert_eq!(clips(RULE, &long), [0..150, 150..260, 260..370, 370..515]);
        let all = clips(RULE, &long);
        assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
