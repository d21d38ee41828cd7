//! A disk that hangs or refuses, a wall clock that is set and names that lead nowhere, for a real process: a library that is
//! loaded before all others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::binary::Exporter;
use crate::setup::Folder;

/// The library, compiled when it is first asked for.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/preload/faults.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-o"]).arg(&library).arg(&source).arg("-ldl");
        assert!(compiler.status().unwrap().success(), "no C compiler?");
        library
    })
}

/// What is wrong with the disk below one folder, and with the clock, of the processes that are started with it.
#[derive(Debug)]
pub(crate) struct Faults {
    folder: Folder,
    /// Where the state is.
    pub(crate) state: String,
}

impl Faults {
    /// None so far. The state is in `state` of this folder.
    pub(crate) fn new(folder: &Folder) -> Self {
        Self { folder: folder.clone(), state: folder.path("state") }
    }

    /// `serve` with the state folder and these faults.
    pub(crate) async fn start(&self, flags: &[&str]) -> Exporter {
        let mut exporter = self.launch(flags);
        exporter.address = exporter.listening("everything").await;
        exporter
    }

    /// The same without waiting until it listens.
    pub(crate) fn launch(&self, flags: &[&str]) -> Exporter {
        let config = self.folder.path("config.yaml");
        let standard = ["--config.file", &config, "--web.listen-address", "127.0.0.1:0", "--state.dir", &self.state];
        let environment = self.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Exporter::launch(&[&standard, flags].concat(), &environment)
    }

    /// What a process has to be started with.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", library().to_str().unwrap().to_owned()),
            ("FAULTS_FOLDER", self.state.clone()),
            ("FAULTS_DISK", self.folder.path("faults-disk")),
            ("FAULTS_CLOCK", self.folder.path("faults-clock")),
            ("FAULTS_NAMES", self.folder.path("names")),
        ]
    }

    /// What the disk does from now on: `hang`, `hang-writes`, `refuse`; nothing wrong if empty.
    pub(crate) fn disk(&self, fault: &str) {
        self.put("faults-disk", fault);
    }

    /// How many seconds the wall clock is off from now on.
    pub(crate) fn clock(&self, seconds: i64) {
        self.put("faults-clock", &seconds.to_string());
    }

    /// At once, so that no half of a word is read.
    fn put(&self, name: &str, word: &str) {
        self.folder.write("faults-next", word);
        std::fs::rename(self.folder.path("faults-next"), self.folder.path(name)).unwrap();
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // A process that hangs in a call of ours ends when it is killed; this lets it end by itself.
        self.disk("");
    }
}
