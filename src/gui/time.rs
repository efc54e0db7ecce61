//! Times as people at the line read them: local, short.

use crate::domain::Timestamp;

/// "14:07:31".
pub fn clock(at: Timestamp) -> String {
    format(at, "%H:%M:%S")
}

/// "2 Nov 14:07".
pub fn day(at: Timestamp) -> String {
    format(at, "%-d %b %H:%M")
}

fn format(at: Timestamp, form: &str) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string(),
        Err(_) => at.to_string(),
    }
}

/// For names of files: "20261102-140731".
pub fn stamp(at: Timestamp) -> String {
    format(at, "%Y%m%d-%H%M%S")
}
