//! More organizations than the budget serves at once.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::binary::{Exporter, eventually, run};
use crate::fake::{Fake, json};
use crate::setup::{Folder, Settings, id};

const LIST: &str = r#"[{"status":"AVAILABLE"}]"#;
const COUNT: usize = 30;

/// Thirty organizations, of which each needs a token and a list: six seconds at ten requests a second.
fn crowd(url: &str, poll: &str) -> Folder {
    let settings = Settings::new(url, 0).poll(poll);
    let folder = settings.folder();
    folder.write("config.yaml", &yaml(&settings, COUNT).replace("requests_per_second: 0", "requests_per_second: 10"));
    folder
}

fn yaml(settings: &Settings, organizations: usize) -> String {
    let mut yaml = settings.yaml();
    for number in 1..=organizations {
        writeln!(yaml, "  - {{id: {}, name: org-{number}, credentials: app}}", id(number)).unwrap();
    }
    yaml
}

#[tokio::test]
async fn nobody_fails_because_others_go_first_and_each_comes_at_its_own_phase() {
    let fake = Fake::lists(|_, _| json(200, LIST)).await;
    // The first round takes longer than the deadline, and than the interval.
    let exporter = Exporter::start(&crowd(&fake.url, "interval: 5s, deadline: 2s, stale_after: 1m"), &[]).await;
    let polls = |number: usize| fake.list_requests(number).iter().map(|request| request.at).collect::<Vec<_>>();
    eventually("everybody was polled four times", async || {
        (1..=COUNT).all(|number| polls(number).len() >= 4).then_some(())
    })
    .await;
    let scrape = exporter.scrape().await;
    assert!(scrape.sum("csp_poll_failures_total", &[]) < 1.0);
    assert!((scrape.sum("csp_up", &[]) - COUNT as f64).abs() < 0.5);
    assert!(scrape.count("csp_api_throttle_wait_seconds_total", &[]) > 30.0);
    let mut durations: Vec<f64> =
        scrape.all("csp_poll_duration_seconds", &[]).iter().map(|sample| sample.value).collect();
    durations.sort_by(f64::total_cmp);
    assert!(durations[COUNT / 2] < 0.5, "{durations:?}");

    // After the first round each keeps its time, and they are spread over the interval.
    let mut seconds: HashMap<u64, usize> = HashMap::new();
    for number in 1..=COUNT {
        let at = polls(number);
        let gap = at[3] - at[2];
        assert!(gap.abs_diff(Duration::from_secs(5)) < Duration::from_millis(1500), "{number}: {gap:?}");
        *seconds.entry((at[3] + Duration::from_secs(100) - polls(1)[3]).as_secs() % 5).or_default() += 1;
    }
    assert!(seconds.len() == 5 && seconds.values().all(|count| (2..=12).contains(count)), "{seconds:?}");
}

#[tokio::test]
async fn a_budget_that_is_too_small_is_said_at_the_start_and_by_check() {
    let fake = Fake::lists(|_, _| json(200, LIST)).await;
    let folder = crowd(&fake.url, "interval: 2s");
    let words = ["requests a minute are needed, and api.requests_per_second allows 600.0", "an interval of", "shards"];
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.until("it was said", |_| !exporter.logged(&words).is_empty()).await;
    let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    let warning = done.stdout.lines().find(|line| line.starts_with("warning: ") && line.contains(words[0]));
    assert!(warning.is_some_and(|warning| words.iter().all(|part| warning.contains(part))), "{}", done.stdout);
}

#[tokio::test]
async fn what_is_kept_of_thousands_for_a_moment_is_not_shown_once_all_are_there_or_some_are_gone() {
    const MANY: usize = 1_200;
    let fake = Fake::lists(|_, _| json(200, LIST)).await;
    let settings = Settings::new(&fake.url, 0).metrics("joint: false, max_roles: 0, max_groups: 0");
    let folder = settings.folder();
    folder.write("config.yaml", &yaml(&settings, MANY));
    let exporter = Exporter::start(&folder, &[]).await;
    let shown = async || exporter.scrape().await.all("csp_up", &[]).len();
    // Scrapes until then keep what they show.
    while exporter.get("/readyz").await.0 != 200 {
        shown().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(shown().await, MANY);
    folder.write("config.yaml", &yaml(&settings, MANY - 100));
    shown().await;
    assert_eq!(exporter.reload().await.0, 200);
    assert_eq!(shown().await, MANY - 100);
}
