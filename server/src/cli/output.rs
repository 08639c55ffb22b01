//! What a command says: its result on standard output, everything else on standard error. The standard macros panic
//! where nothing can be written, so this folder does without them.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use super::Failure;

/// Prints a result, as a line.
pub(super) fn print(line: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").or_else(unwritten)
}

/// Prints a result of many lines.
pub(super) fn print_all(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    stdout.write_all(text).and_then(|()| stdout.flush()).or_else(unwritten)
}

/// What follows from a result that could not be written: nobody who reads on is no fault, a full disk is.
pub(super) fn unwritten(error: io::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::Failed(format!("can't write to standard output: {error}"))),
    }
}

/// Says something to the user, who may have gone.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
