//! Durations on the command line.

use std::time::Duration;

/// None is longer than a day: deadlines are added to clocks.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a duration such as `250ms`, `5s` or `10m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > MAX => Err("longer than a day".to_owned()),
        Ok(duration) if duration.is_zero() => Err("no time at all".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; write 250ms, 5s, 10m or 1h")),
    }
}
