//! Durations on the command line.

use std::time::Duration;

/// The longest duration of a deadline. A deadline is added to a clock, and must not overflow it.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest life of a token.
const MAX_LIFE: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Reads a duration such as `250ms`, `5s` or `10m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        duration => Ok(duration),
    }
}

/// Reads a duration that may be `0s`.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        duration if duration > MAX => Err("must not be longer than a day".to_owned()),
        duration => Ok(duration),
    }
}

/// Reads the life of a token, which may be longer than a deadline.
pub(super) fn long_duration(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        duration if duration > MAX_LIFE => Err("must not be longer than ten years".to_owned()),
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        duration => Ok(duration),
    }
}

fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 250ms, 5s, 10m or 1h"))
}
