//! The configuration file of `serve` and `check-config`. Its keys are the names of their flags. Its values become the
//! flags' defaults, so the command line and the environment win over the file.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, Command};
use toml::{Table, Value};

use super::Failure;
use crate::text::{fault_of, without_mark};

/// The commands that read a configuration file.
const CONFIGURED: [&str; 2] = ["serve", "check-config"];

/// Makes the values of the `--config` file the defaults of the command's flags. Without `--config`, nothing changes.
pub(super) fn apply(command: Command, arguments: impl Iterator<Item = OsString>) -> Result<Command, Failure> {
    // This parse only finds the file. The second parse reports wrong arguments.
    let found = command.clone().ignore_errors(true).try_get_matches_from(arguments).ok();
    let found = found.as_ref().and_then(|matches| {
        let (name, arguments) = matches.subcommand().filter(|(name, _)| CONFIGURED.contains(name))?;
        Some((name, arguments.get_one::<PathBuf>("config")?.clone()))
    });
    let Some((name, path)) = found else { return Ok(command) };
    let fault = |reason: String| Failure::Usage(format!("configuration {}: {reason}", path.display()));
    let bytes = std::fs::read(&path).map_err(|error| fault(error.to_string()))?;
    let text = str::from_utf8(&bytes).map_err(|_| fault(fault_of(&bytes).to_owned()))?;
    let table: Table =
        without_mark(text).parse().map_err(|error: toml::de::Error| fault(error.to_string()))?;
    let mut defaults = Vec::new();
    for (key, value) in table {
        let serve = command.find_subcommand(name);
        let known = serve.and_then(|serve| serve.get_arguments().find(|arg| arg.get_long() == Some(&key)));
        let Some(arg) = known.filter(|_| key != "config") else {
            return Err(fault(format!("unknown setting `{key}`; `tidings serve --help` lists all settings")));
        };
        if value.is_array() && !matches!(arg.get_action(), ArgAction::Append) {
            return Err(fault(format!("`{key}` takes one value, not a list")));
        }
        defaults.push((
            key.replace('-', "_"),
            texts(&value).map_err(|reason| fault(format!("`{key}` {reason}")))?,
        ));
    }
    Ok(command.mut_subcommand(name, |serve| {
        defaults.into_iter().fold(serve, |serve, (id, values)| {
            serve.mut_arg(id, |arg| arg.default_values(values.into_iter().map(clap::builder::OsStr::from)))
        })
    }))
}

/// Returns a setting's value as a user writes it after the flag.
fn texts(value: &Value) -> Result<Vec<String>, &'static str> {
    Ok(match value {
        Value::String(text) => vec![text.clone()],
        Value::Integer(number) => vec![number.to_string()],
        Value::Boolean(is_on) => vec![is_on.to_string()],
        Value::Array(values) => values.iter().map(texts).collect::<Result<Vec<_>, _>>()?.concat(),
        _ => return Err("must be a string, an integer, true, false, or a list of strings"),
    })
}
