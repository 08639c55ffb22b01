//! Durations on the command line.

use std::time::Duration;

/// None is longer than a day: deadlines are added to clocks.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest life of a token.
const MAX_LIFE: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Reads a duration such as `250ms`, `5s` or `10m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("no time at all".to_owned()),
        duration => Ok(duration),
    }
}

/// The same, of which `0s` is one.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        duration if duration > MAX => Err("longer than a day".to_owned()),
        duration => Ok(duration),
    }
}

/// The same, of a token's life.
pub(super) fn long_duration(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        duration if duration > MAX_LIFE => Err("longer than ten years".to_owned()),
        Duration::ZERO => Err("no time at all".to_owned()),
        duration => Ok(duration),
    }
}

fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 250ms, 5s, 10m or 1h"))
}
