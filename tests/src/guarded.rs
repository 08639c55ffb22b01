//! A program that ends with the test's process, also when that is killed.

use std::process::Command;

use crate::Process;

/// Runs a command. Its input ends when the test's process ends, also after a kill. Then this script kills the command.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{ cat <&3; kill -KILL $child; } >/dev/null 2>&1 &
exec 3<&-
wait $child
"#;

/// Starts a command with a guard. Signals go to the guard, and not to the command.
#[track_caller]
pub(crate) fn start(command: &Command) -> Process {
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guard.env(name, value),
            None => guard.env_remove(name),
        };
    }
    Process::start_with_input(guard)
}
