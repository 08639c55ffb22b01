//! Makes `www/src/records.ts` from the structs.

use std::{fs, path::Path};

use ts_rs::{Config, TS};

use super::*;

/// With this variable the test writes the file. Then `cargo xtask fmt` formats it.
const WRITE: &str = "WRITE_RECORDS";

fn typescript() -> String {
    // JSON's numbers are JavaScript's. None of these is above 2^53.
    let config = Config::new().with_large_int("number");
    macro_rules! all {
        ($($record:ty),* $(,)?) => { [$(<$record>::decl(&config)),*] };
    }
    let records = all![
        Department,
        DepartmentRow,
        DepartmentDetail,
        TeamOfDepartment,
        Team,
        TeamRow,
        TeamDetail,
        Member,
        Person,
        PersonRow,
        PersonDetail,
        TeamOfPerson,
        ProjectStatus,
        Project,
        ProjectRow,
        ProjectDetail,
        Assignment,
        Task,
        TaskRow,
        TaskDetail,
        ProjectOfTask,
        Catalogue,
        CatalogueRow,
        CatalogueDetail,
        Category,
        Manufacturer,
        Item,
        Contact,
        InteractionKind,
        Interaction,
        Party,
        Link,
        Database,
    ];
    // The formatter keeps a line for each field, and comments of one line.
    let pretty =
        |text: String| text.replace("= { ", "= {\n").replace("/**\n * ", "/** ").replace("\n */", " */");
    let records = records.map(|declaration| pretty(format!("export {declaration}\n")));
    format!("{HEAD}\n\n{}", records.join("\n"))
}

const HEAD: &str = "// The records of the API. The test of www/api/src/records.rs makes this file.";

/// The text without what a formatter changes.
fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace(',', ";").replace(";}", "}").replace("=|", "=").replace("};", "}").replace(';', "")
}

#[test]
fn the_types_of_the_page_are_the_records() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/records.ts");
    let made = typescript();
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        bare(&committed) == bare(&made),
        "www/src/records.ts is out of date. Run `{WRITE}=1 cargo test --package tidings-demo records`, then \
         `cargo xtask fmt`."
    );
}
