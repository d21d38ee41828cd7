//! What a scrape says when something has changed since the last one.

use std::io::Read as _;
use std::sync::Arc;

use csp_api::{Observer as _, Operation};
use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::metrics::Metrics;
use csp_invitations_exporter::snapshot::Snapshot;
use invitations::census::view::RoleRow;
use parking_lot::RwLock;

use crate::made_up::{NOW, OPENMETRICS, STEADY, metrics, organization, scrape, view};

#[test]
fn compressed_scrapes_say_the_same_as_plain_ones_whatever_changes_in_between() {
    let organization = |name: usize, rows: usize, count: u64| {
        let mut entry = organization(&format!("organization-{name}"));
        let mut view = view();
        let row = view.by_role[0].clone();
        view.by_role = (0..rows).map(|n| RoleRow { role: format!("role-{n}"), ..row.clone() }).collect();
        view.by_status = [count; 5];
        (entry.view, entry.last_success, entry.up) =
            (Some(Arc::new(view)), Some(Reading { wall: NOW, steady: STEADY }), Some(true));
        Arc::new(entry)
    };
    // Enough for several compressed pieces of one family.
    let mut organizations: Vec<_> = (0..40).map(|name| organization(name, 20, 1)).collect();
    let current = Arc::new(RwLock::new(Arc::new(Snapshot::default())));
    let source = Arc::clone(&current);
    let metrics = Metrics::new(move || Arc::clone(&source.read()));
    let polled = |body: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(body).unwrap();
        let own = |line: &&str| !["process_", "csp_api_", "csp_exporter_"].iter().any(|part| line.contains(part));
        text.lines().filter(own).map(str::to_owned).collect()
    };
    for (step, (name, rows)) in [(0, 20), (39, 0), (17, 400), (17, 3), (5, 21), (5, 21)].into_iter().enumerate() {
        organizations[name] = organization(name, rows, step as u64);
        let organizations = organizations.clone();
        *current.write() = Arc::new(Snapshot { organizations, api_token_expirations: Vec::new() });
        if step % 2 == 0 {
            metrics.prepare(STEADY);
        }
        for accept in [None, Some(OPENMETRICS)] {
            let packed = metrics.scrape(STEADY, accept, Some("gzip")).body.concat();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            let plain = metrics.scrape(STEADY, accept, None).body.concat();
            assert_eq!(polled(unpacked), polled(plain), "step {step}");
        }
    }
}

#[test]
fn stale_data_is_withdrawn_though_nothing_else_happened() {
    let metrics = metrics();
    assert!(scrape(&metrics, None).contains("\ncsp_invitations{"));
    let later = Steady(STEADY.0 + 3_600_000);
    let text = String::from_utf8(metrics.scrape(later, None, None).body.concat()).unwrap();
    assert!(!text.contains("csp_invitations{") && text.contains("state=\"withdrawn\"} 1"));
    assert!(text.contains("csp_invitation_events_total{"), "counters stay");
}

#[test]
fn past_the_limit_error_codes_are_other() {
    let metrics = metrics();
    for code in 0..200 {
        metrics.api().error_codes(Operation::Token, &format!("code-{code}"), "module");
    }
    let text = scrape(&metrics, None);
    let count = text.lines().filter(|line| line.starts_with("csp_api_error_codes_total{")).count();
    assert_eq!(count, 51);
    assert!(text.contains("{operation=\"token\",csp_error_code=\"other\",module_code=\"other\"} 151"));
}

#[test]
fn scrapes_during_updates_see_one_moment() {
    let with = |count: u64| {
        let mut acme = organization("acme");
        let mut view = view();
        (view.by_status, view.privileged) = ([count; 5], [count; 5]);
        (acme.view, acme.last_success, acme.up) =
            (Some(Arc::new(view)), Some(Reading { wall: NOW, steady: STEADY }), Some(true));
        Arc::new(Snapshot { organizations: vec![Arc::new(acme)], api_token_expirations: Vec::new() })
    };
    let current = Arc::new(RwLock::new(with(0)));
    let source = Arc::clone(&current);
    let metrics = Metrics::new(move || Arc::clone(&source.read()));
    std::thread::scope(|scope| {
        let scrapers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..60 {
                        let text = scrape(&metrics, None);
                        let wanted = |l: &&str| {
                            l.starts_with("csp_invitations{") || l.starts_with("csp_invitations_privileged{")
                        };
                        let values: Vec<_> =
                            text.lines().filter(wanted).map(|line| line.rsplit_once(' ').unwrap().1).collect();
                        assert_eq!(values.len(), 10);
                        assert!(values.iter().all(|value| *value == values[0]), "torn: {values:?}");
                    }
                })
            })
            .collect();
        let mut count = 0;
        while scrapers.iter().any(|scraper| !scraper.is_finished()) {
            count += 1;
            *current.write() = with(count);
        }
    });
}
