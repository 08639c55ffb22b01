//! Benchmarks: the server and its peers under the same load, in one run on one machine. The server has one core, the
//! load another. CPU time for each delivery is the figure that survives noise.

use anyhow::{Result, ensure};

use crate::{
    measure::{Faults, connect, fan_out, flat, publish, resume, rights, slow, streams, topics},
    options::{HELP, Options},
};

mod connections;
mod feed;
mod load;
mod measure;
mod options;
mod peer;
mod process;
mod table;
mod wire;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h" | "help")) {
        print!("{HELP}");
        return Ok(());
    }
    let options = Options::parse(&arguments)?;
    process::prepare_load()?;
    let mut faults = Faults::default();
    for name in &options.names {
        match name.as_str() {
            "connect" => connect::run(&options)?,
            "streams" => streams::run(&options, &mut faults)?,
            "topics" => topics::run(&options, &mut faults)?,
            "publish" => publish::run(&options)?,
            "resume" => resume::run(&options, &mut faults)?,
            "slow" => slow::run(&options, &mut faults)?,
            "rights" => rights::run(&options, &mut faults)?,
            "embedded" => {
                let options = options.with_applications()?;
                fan_out::run(&options, "busy", &mut faults)?;
                connect::run(&options)?;
            }
            "flat" => flat::run(&options, &mut faults)?,
            _ => fan_out::run(&options, name, &mut faults)?,
        }
    }
    ensure!(faults.said.is_empty(), "{}", faults.said.join("\n"));
    Ok(())
}
