//! What others find out about the secrets of a running process.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use tokio::process::Command;

use crate::binary::{Exporter, alone, binary};
use crate::fake::{Fake, json};
use crate::setup::id;

const SECRET: &str = "canary-secret-in-the-environment";

/// A user who is not root: nobody where this is root, else oneself.
fn as_somebody(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() { command.uid(65534).gid(65534) } else { command }
}

/// What `cat` of somebody's says of a file of this process.
async fn seen(pid: u32, file: &str) -> std::process::Output {
    as_somebody(Command::new("cat").arg(format!("/proc/{pid}/{file}"))).output().await.unwrap()
}

/// The exporter as somebody's process; anybody can go where its binary is, and write there.
async fn start(folder: &Path, url: &str) -> Exporter {
    std::fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("exporter");
    // By another process: what this one has open for writing, those that other tests start would have open, too, and then it cannot be run.
    assert!(Command::new("cp").arg(binary()).arg(&program).status().await.unwrap().success());
    // With leave to write a core dump as large as may be.
    let mut command = alone(Path::new("/bin/sh"));
    command.args(["-c", "ulimit -c $(ulimit -H -c); exec \"$0\" \"$@\""]).arg(&program);
    command.args(["--web.listen-address=127.0.0.1:0", "--web.probe-listen-address=127.0.0.1:0"]).current_dir(folder);
    command.envs([
        ("CSP_URL", url),
        ("CSP_ORGANIZATION_ID", &id(1)),
        ("CSP_CLIENT_ID", "app"),
        ("CSP_CLIENT_SECRET", SECRET),
    ]);
    let mut exporter = Exporter::run(as_somebody(&mut command));
    exporter.address = exporter.listening("everything").await;
    exporter
}

#[tokio::test]
async fn other_processes_of_its_user_cannot_look_into_it_and_it_can() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = tempfile::tempdir().unwrap();
    let exporter = start(folder.path(), &fake.url).await;
    let health = exporter.listening("health only").await;

    let mut other =
        as_somebody(Command::new("sleep").arg("60").env("CANARY", SECRET).kill_on_drop(true)).spawn().unwrap();
    let found = seen(other.id().unwrap(), "environ").await;
    assert!(String::from_utf8_lossy(&found.stdout).contains(SECRET), "that of others can be seen: {found:?}");
    other.kill().await.unwrap();
    for file in ["environ", "maps", "mem", "auxv"] {
        let found = seen(exporter.pid(), file).await;
        assert!(found.stdout.is_empty() && !found.status.success(), "{file}: {found:?}");
    }

    let scrape = exporter.until("a poll", |scrape| scrape.up(&id(1)) == Some(1.0)).await;
    for family in ["open_fds", "max_fds", "virtual_memory_max_bytes", "start_time_seconds", "threads"] {
        assert!(scrape.get(&format!("process_{family}"), &[]).is_some_and(|value| value > 0.0), "{family}");
    }
    let asked = alone(&folder.path().join("exporter"))
        .args(["healthcheck", &format!("--web.probe-listen-address={health}")])
        .output();
    assert_eq!(asked.await.unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn a_process_that_crashes_leaves_no_memory_behind() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = start(folder.path(), &fake.url).await;
    exporter.signal("ABRT").await;
    let ended = exporter.ended().await;
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["exporter"]);
}
