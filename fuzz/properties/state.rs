//! A stored state with any bytes changed is read or set aside, and the program goes on counting and writing.

use std::ffi::OsString;
use std::sync::LazyLock;

use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::state::Lifecycle;
use invitations::{Identity, Millis, Sighting, Status};

const NOW: Reading = Reading { wall: Millis(1_795_000_000_000), steady: Steady(5_000_000) };
const ORGANIZATIONS: [&str; 2] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];

/// What a good state file holds.
struct Good {
    name: OsString,
    content: Vec<u8>,
    /// The places in it that hold something, and those near them: most of a file is empty.
    used: Vec<usize>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let state = Lifecycle::open(folder.path(), NOW).expect("a new state");
    polls(&state, 0);
    polls(&state, 7);
    state.close(NOW);
    let files = std::fs::read_dir(folder.path()).expect("a folder");
    let largest = files.flatten().max_by_key(|file| file.metadata().map_or(0, |data| data.len())).expect("a file");
    let content = std::fs::read(largest.path()).expect("the state");
    let pieces = content.chunks(16).enumerate().filter(|(_, piece)| piece.iter().any(|byte| *byte != 0));
    let used = pieces.flat_map(|(number, piece)| number * 16..number * 16 + piece.len()).collect();
    Good { name: largest.file_name(), content, used }
});

/// A good poll of each organization: invitations of every status, some new and some gone as `shift` grows.
fn polls(state: &Lifecycle, shift: u64) {
    for organization in ORGANIZATIONS {
        let statuses = [Status::Available, Status::Redeemed, Status::Revoked, Status::Expired, Status::Unknown];
        let sighting = |number: u64| {
            let identity = Identity::of(Some(&format!("/csp/{number}")), "someone", Some(NOW.wall));
            Sighting::new(identity, statuses[(number + shift) as usize % 5], Some(NOW.wall), Some(NOW.wall))
        };
        let _ = state.observe(organization, (shift..shift + 30).map(sighting).collect(), None, NOW);
    }
    let _ = state.flush(NOW);
}

/// The first byte says what is cut off at the end, the others are changes: a place of three bytes and what stands there.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&cut, changes)) = bytes.split_first() else { return };
    let mut content = GOOD.content.clone();
    for change in changes.chunks_exact(4) {
        let place = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        content[GOOD.used[place % GOOD.used.len()]] = change[3];
    }
    content.truncate(content.len() - content.len() * usize::from(cut) / 512);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(&GOOD.name), content).expect("the state");
    let state = Lifecycle::open(folder.path(), NOW).expect("the folder is usable, whatever its files hold");
    polls(&state, 9);
    assert_eq!(state.durable(), Some(true), "whoever writes the state goes on");
    assert!(
        ORGANIZATIONS.iter().all(|organization| state.tally(organization).is_some()),
        "what is written can be seen"
    );
    state.close(NOW);
}
