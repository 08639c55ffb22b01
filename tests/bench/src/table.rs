//! Tables in Markdown, and the statistics in them.

/// Prints a table; the first column names the row.
pub(crate) fn print(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n{title}\n\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
}

/// The median, with the least and the most in brackets; a dash where nothing was measured.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<_> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match values[..] {
        [] => "–".to_owned(),
        [only] => format!("{only:.digits$}"),
        [first, .., last] => format!("{:.digits$} ({first:.digits$} to {last:.digits$})", median(&values)),
    }
}

/// The one in the middle, or between the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// In milliseconds, of latencies in microseconds; not a number where nothing was timed.
pub(crate) fn percentile(sorted: &[u32], part: f64) -> f64 {
    // The nearest rank: as many as this are no later.
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |&latency| f64::from(latency) / 1e3)
}
