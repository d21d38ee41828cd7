//! `once`: each organization polled once, the result printed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::serve::lifecycle;
use super::workers::Workers;
use super::{Failure, Outcome, print, usable_configuration};
use crate::cli::Once;
use crate::clock::{Reading, Steady};
use crate::config::{Loader, Organization};
use crate::exporter::Parts;
use crate::poller::once;
use crate::poller::source::{Source, Upstream};

pub(super) fn run(flags: &Once, workers: &Workers) -> Outcome {
    workers.block_on(poll(flags))?
}

async fn poll(flags: &Once) -> Outcome {
    let config = usable_configuration(flags.config.config_file.as_deref()).await?;
    let same = config.clone();
    let shard = flags.sharding.shard;
    let state = lifecycle(flags.state.state_dir.as_deref())?;
    let parts = Parts::new(Arc::new(Loader::fixed(same)), shard, Arc::clone(&state));
    let client = parts.client(&config).await.map_err(Failure::configuration)?;
    let organizations: Vec<Arc<Organization>> =
        config.organizations.iter().filter(|one| shard.is_none_or(|shard| shard.owns(&one.key()))).cloned().collect();
    let keys: Vec<_> = organizations.iter().map(|organization| organization.key()).collect();
    state.keep(&keys, Reading::now());
    parts.latest.arrange(&organizations, |key| state.shown(key));
    let upstream: Arc<dyn Source> = Arc::new(Upstream::new(&config, client, Arc::clone(&state)));
    let (_keep, source) = watch::channel(upstream);
    let polls = organizations
        .iter()
        .map(|organization| tokio::spawn(once(Arc::clone(organization), Arc::clone(&parts.latest), source.clone())));
    join_all(polls).await;
    state.close(Reading::now());
    // What could not be read at the start may have been read by now.
    parts.latest.recount(|key| state.shown(key));
    let text = parts.metrics.once_text(Steady::now(), flags.state.state_dir.is_some());
    match &flags.output {
        Some(path) => replace(path, &text).map_err(|error| Failure::running(format!("{}: {error}", path.display())))?,
        None => print(&text)?,
    }
    let failed = parts.latest.snapshot().organizations.iter().any(|entry| entry.up != Some(true));
    if failed { Err(Failure::Organization) } else { Ok(()) }
}

/// Writes a file so that a reader finds the old content or the new, never half of it. A link stays one, permissions and, as
/// far as this user may, the owner stay, and what is no file, a pipe or a device, is written to instead of replaced.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // Asked of the path as it is: a pipe behind `/dev/stdout` has no other one.
    let there = fs::metadata(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(content);
    }
    let path = destination(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // A text file collector reads `*.prom`: the file in the making must not end like that. Nor must anybody guess its name,
    // who may write to the folder and could put a link there.
    name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
    let temporary = path.with_file_name(name);
    let written = File::create_new(&temporary)
        .and_then(|mut file| {
            if let Some(there) = there {
                // Or its reader, who is not this user, could not read it any more.
                let _ = fchown(&file, Some(there.uid()), Some(there.gid()));
                file.set_permissions(there.permissions())?;
            }
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Where a path leads, through all links; the last one may lead to a file that is not there yet.
fn destination(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => destination(&path.parent().unwrap_or(Path::new("")).join(target)),
            Err(_) => Ok(path.to_owned()),
        },
        resolved => resolved,
    }
}
