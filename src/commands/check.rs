//! `check`: validate, say what would run, and try it.

use crate::cli::Check;

use super::Outcome;

pub(super) fn run(_flags: &Check) -> Outcome {
    Ok(())
}
