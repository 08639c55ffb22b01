//! The tables of limits in PROTOCOL.md, from `shared/src/limits.rs`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use tidings_shared::limits::{Limit, LimitValue};

use super::docs::first_paragraph;

/// A row for each limit: the first paragraph of its docs, and its value.
pub(super) fn fixed_table(limits: &[Limit]) -> String {
    let mut table = "| limit | value |\n|---|---|\n".to_owned();
    for limit in limits {
        let _ = writeln!(table, "| {} | {} |", first_paragraph(limit.docs.lines()), value(limit));
    }
    table
}

/// The same, with the setting that changes the limit.
pub(super) fn settings_table(limits: &[Limit]) -> String {
    let mut table = "| limit | default | setting |\n|---|---|---|\n".to_owned();
    for limit in limits {
        let (docs, setting) = (first_paragraph(limit.docs.lines()), limit.setting.unwrap_or_default());
        let _ = writeln!(table, "| {docs} | {} | `{setting}` |", value(limit));
    }
    table
}

/// The bound that the npm package's shell keeps while it has no core, as TypeScript. The source is the core's `limits.rs`.
pub(super) fn shell_limits(source: &str) -> Result<String> {
    let find = || Some(source.split_once("pub const MAX_PUBLISHES: usize = ")?.1.split_once(';')?.0);
    let value = find().context("the core's limits.rs has no MAX_PUBLISHES")?;
    Ok(format!(
        "// Generated from the Rust definitions. Do not edit.\n\n\
         /** Publishes that wait for an answer. At the bound, `publish` rejects with `offline_full`. */\n\
         export const MAX_PUBLISHES = {value};\n"
    ))
}

fn value(limit: &Limit) -> String {
    match limit.value {
        LimitValue::Time(time) => time_text(time),
        LimitValue::Number(bytes) if limit.name.contains("_BYTES") => bytes_text(bytes),
        LimitValue::Number(number) => with_commas(number),
    }
}

fn time_text(time: Duration) -> String {
    let (seconds, day, minute) = (time.as_secs(), 24 * 60 * 60, 60);
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        _ if seconds.is_multiple_of(day) => format!("{} days", seconds / day),
        _ if seconds > minute && seconds.is_multiple_of(minute) => format!("{} min", seconds / minute),
        _ => format!("{seconds} s"),
    }
}

fn bytes_text(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes} bytes"), |(size, name)| format!("{} {name}", bytes / size))
}

/// A number with commas between its thousands.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_unit_that_people_read() {
        let limit = |name, value| Limit { name, docs: "", value, setting: None };
        let values = [
            (limit("A", LimitValue::Number(100_000)), "100,000"),
            (limit("A", LimitValue::Number(255)), "255"),
            (limit("A_BYTES", LimitValue::Number(255)), "255 bytes"),
            (limit("A_BYTES", LimitValue::Number(65_536)), "64 KiB"),
            (limit("A_BYTES", LimitValue::Number(1 << 30)), "1 GiB"),
            (limit("A", LimitValue::Time(Duration::from_millis(100))), "100 ms"),
            (limit("A", LimitValue::Time(Duration::from_secs(75))), "75 s"),
            (limit("A", LimitValue::Time(Duration::from_secs(600))), "10 min"),
            (limit("A", LimitValue::Time(Duration::from_secs(604_800))), "7 days"),
        ];
        for (limit, expected) in values {
            assert_eq!(value(&limit), expected);
        }
    }

    #[test]
    fn a_row_has_the_first_paragraph_of_the_docs_only() {
        let docs = " Bytes of\n a frame.\n\n Why.\n";
        let limit = Limit { name: "A_BYTES", docs, value: LimitValue::Number(1024), setting: Some("--a") };
        let expected = "| limit | value |\n|---|---|\n| Bytes of a frame. | 1 KiB |\n";
        assert_eq!(fixed_table(&[limit]), expected);
        let expected =
            "| limit | default | setting |\n|---|---|---|\n| Bytes of a frame. | 1 KiB | `--a` |\n";
        assert_eq!(settings_table(&[limit]), expected);
    }
}
