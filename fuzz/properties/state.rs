//! A stored state with any bytes changed is read, set aside or left for later; it never ends the program.

use std::sync::LazyLock;

use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::state::Lifecycle;
use invitations::{Millis, Sighting};

const NOW: Reading = Reading { wall: Millis(1_795_000_000_000), steady: Steady(5_000_000) };

/// What a good state file holds, and its name.
static GOOD: LazyLock<(std::ffi::OsString, Vec<u8>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let state = Lifecycle::open(folder.path(), NOW).expect("a new state");
    let (key, organization) = (state.former_key("a"), "00000000-0000-4000-8000-000000000001");
    let _ = key;
    let _ = state.observe(organization, Vec::<Sighting>::new(), None, NOW);
    state.close(NOW);
    let files = std::fs::read_dir(folder.path()).expect("a folder");
    let largest = files.flatten().max_by_key(|file| file.metadata().map_or(0, |data| data.len())).expect("a file");
    (largest.file_name(), std::fs::read(largest.path()).expect("the state"))
});

/// The first byte says what is cut off at the end, the others are changes: a place of three bytes and what stands there.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&cut, changes)) = bytes.split_first() else { return };
    let (name, good) = &*GOOD;
    let mut content = good.clone();
    for change in changes.chunks_exact(4) {
        let place = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let length = content.len();
        content[place % length] = change[3];
    }
    content.truncate(content.len() - content.len() * usize::from(cut) / 512);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), content).expect("the state");
    if let Ok(state) = Lifecycle::open(folder.path(), NOW) {
        let _ = state.observe("00000000-0000-4000-8000-000000000001", Vec::new(), None, NOW);
        let _ = state.flush(NOW);
        state.close(NOW);
    }
}
