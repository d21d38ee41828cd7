//! Which mount a file is on, without asking the file: the mount may be what hangs.

use std::collections::HashMap;
use std::path::{self, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use procfs::process::Process;
use tokio::sync::Semaphore;

use super::MOST_OF_A_MOUNT;

/// The readers of each mount.
static MOUNTS: LazyLock<Mutex<HashMap<PathBuf, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// What gives turns to readers of files that are on the same mount as `path`.
pub(super) fn readers(path: &Path) -> Arc<Semaphore> {
    // The kernel answers that out of its memory.
    let mounts = Process::myself().and_then(|process| process.mountinfo());
    let points = mounts.into_iter().flatten().map(|mount| mount.mount_point);
    let point = of(path, points);
    let mut mounts = MOUNTS.lock();
    mounts.retain(|known, readers| *known == point || Arc::strong_count(readers) > 1);
    Arc::clone(mounts.entry(point).or_insert_with(|| Arc::new(Semaphore::new(MOST_OF_A_MOUNT))))
}

/// The mount that a path is on, by its letters: a link on the way counts where it is, not where it leads to.
fn of(path: &Path, points: impl Iterator<Item = PathBuf>) -> PathBuf {
    let path = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    points.filter(|point| path.starts_with(point)).max_by_key(|point| point.components().count()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_on_the_innermost_mount_above_it() {
        let points = || ["/", "/run", "/run/secrets", "/run/secrets-too"].map(PathBuf::from).into_iter();
        for (path, mount) in [
            ("/etc/secret", "/"),
            ("/run/secret", "/run"),
            ("/run/secrets/acme/token", "/run/secrets"),
            ("/run/secrets", "/run/secrets"),
            ("/run/secrets-three/token", "/run"),
        ] {
            assert_eq!(of(path.as_ref(), points()), Path::new(mount), "{path}");
        }
        assert_eq!(of("relative".as_ref(), points()), of(&std::env::current_dir().unwrap(), points()));
        assert_eq!(of("/run/secret".as_ref(), std::iter::empty()), Path::new(""), "none is known: they are all on one");
    }
}
