//! Who may look into the memory of this process, which holds secrets.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps the memory from core dumps, and from everybody but root: other processes of the same user can then neither trace this
/// one nor read its memory, its environment or what it has open.
///
/// Not by a limit of zero for core dumps: where they go to a program, as systemd has it, the kernel heeds none.
pub(crate) fn keep_to_itself() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the memory of this process, which holds secrets, cannot be kept out of core dumps");
    }
}
