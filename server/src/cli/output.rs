//! The output of a command: its result goes to standard output, everything else to standard error. `println!` and
//! `eprintln!` panic if the output is closed, so this folder does not use them.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use super::Failure;

/// Prints a result of one line.
pub(super) fn print(line: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").or_else(unwritten)
}

/// Prints a result of many lines.
pub(super) fn print_all(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    stdout.write_all(text).and_then(|()| stdout.flush()).or_else(unwritten)
}

/// Judges a failed write of a result. A reader that has gone is no failure; a full disk is one.
pub(super) fn unwritten(error: io::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::Failed(format!("can't write to standard output: {error}"))),
    }
}

/// Writes a line to standard error. A failure is ignored: there is no other way to tell the user.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
