//! `bindgen WASM NAME FOLDER` does the work of `wasm-bindgen --target web`. It lacks the rest of that program, so it takes half
//! as long to build.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [wasm, name, folder] = &arguments[..] else { anyhow::bail!("usage: bindgen WASM NAME FOLDER") };
    Bindgen::new()
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .out_name(name)
        .input_path(wasm)
        .generate(folder)
        .with_context(|| format!("cannot bind {wasm}"))
}
