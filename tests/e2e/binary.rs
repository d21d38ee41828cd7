//! The binary as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::scrape::Scrape;
use crate::setup::Folder;

/// Long enough for a busy machine; nothing waits for it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

type Lines = Arc<Mutex<Vec<String>>>;

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Where the binary is.
pub(crate) fn binary() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_csp-invitations-exporter").into();
    std::env::var_os("EXPORTER_BINARY").unwrap_or(built).into()
}

/// The binary with nothing of this process's environment.
pub(crate) fn command() -> Command {
    alone(&binary())
}

/// A program with nothing of this process's environment.
pub(crate) fn alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    run_within(PATIENCE, arguments, environment).await
}

/// Runs a command that has to end in this time.
pub(crate) async fn run_within(time: Duration, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let child = command().args(arguments).envs(environment.iter().copied()).spawn().unwrap();
    let output = tokio::time::timeout(time, child.wait_with_output()).await.expect("the command ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A running process, killed when it is dropped.
pub(crate) struct Exporter {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) log: Lines,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    #[expect(dead_code, reason = "holds the files that the process reads again and again")]
    folder: Option<Folder>,
}

impl Exporter {
    /// `serve` with `config.yaml` of `folder`, listening.
    pub(crate) async fn start(folder: &Folder, flags: &[&str]) -> Self {
        let config = folder.path("config.yaml");
        let mut arguments = vec!["--config.file", &config, "--web.listen-address", "127.0.0.1:0"];
        arguments.extend(flags);
        Self { folder: Some(folder.clone()), ..Self::spawn(&arguments, &[]).await }
    }

    /// Any command that listens and says so.
    pub(crate) async fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut exporter = Self::launch(arguments, environment);
        exporter.address = exporter.listening("everything").await;
        exporter
    }

    /// Any command that goes on running.
    pub(crate) fn launch(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::run(command().args(arguments).envs(environment.iter().copied()))
    }

    /// The binary, started in a way of one's own.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = collect(child.stdout.take().unwrap());
        let log = collect(child.stderr.take().unwrap());
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { child, out, log, address: SocketAddr::from(([127, 0, 0, 1], 0)), http, folder: None }
    }

    /// The address that serves this.
    pub(crate) async fn listening(&self, serves: &str) -> SocketAddr {
        eventually(&format!("it listens for {serves}: {:?}", self.log), async || {
            let log = self.log.lock();
            let line = log.iter().find(|line| line.contains("listening") && line.contains(serves))?;
            let value = line.split("address").nth(1)?.trim_start_matches(['"', '=', ':']);
            value.split([' ', '"', ',']).next()?.parse().ok()
        })
        .await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("still running")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn scrape(&self) -> Scrape {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Scrape::parse(&text)
    }

    /// Scrapes until `is_so`.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut(&Scrape) -> bool) -> Scrape {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let scrape = self.scrape().await;
            if is_so(&scrape) {
                return scrape;
            }
            let now = Instant::now();
            assert!(now < deadline, "waited in vain until {what}\n{}\n{}", scrape.text, self.log.lock().join("\n"));
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Scrapes once a poll that began after this call is over, and went well.
    pub(crate) async fn polled_anew(&self, organization: &str) -> Scrape {
        let polls = |scrape: &Scrape| scrape.count("csp_polls_total", &[("organization", organization)]);
        let before = polls(&self.scrape().await);
        // One more may have been under way.
        self.until("two more polls", |scrape| polls(scrape) >= before + 2.0 && scrape.up(organization) == Some(1.0))
            .await
    }

    /// Scrapes until each of these organizations has finished a poll.
    pub(crate) async fn polled(&self, organizations: &[&str]) -> Scrape {
        self.until("polls ended", |scrape| organizations.iter().all(|one| scrape.up(one).is_some())).await
    }

    pub(crate) async fn reload(&self) -> (u16, String) {
        let response = self.http.post(self.url("/-/reload")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// As `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
        assert!(status.success());
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the process ends").unwrap()
    }

    /// Log lines that hold all of `parts`.
    pub(crate) fn logged(&self, parts: &[&str]) -> Vec<String> {
        self.log.lock().iter().filter(|line| parts.iter().all(|part| line.contains(part))).cloned().collect()
    }

    /// The most memory that the process has held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static) -> Lines {
    let lines = Lines::default();
    let collected = Arc::clone(&lines);
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            collected.lock().push(line);
        }
    });
    lines
}
