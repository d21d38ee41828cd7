//! A poll that is given up while its list is counted.

use std::time::Duration;

use csp_api::NoObserver;
use csp_simulator::{self as simulator, Options, Simulator};
use tokio::time::timeout;

use super::*;
use crate::config::{CredentialKind, Secret};

fn configuration(simulator: &Simulator) -> Config {
    let token = Secret::Inline(simulator.organizations()[0].api_token.as_str().into());
    let kind = CredentialKind::ApiToken { token };
    let mut config = Config::with_defaults();
    config.api.url = simulator.base_url().parse().expect("a URL");
    config.api.direct = true;
    config.organizations.push(Arc::new(Organization {
        id: simulator.organizations()[0].id.clone(),
        custom_group_id: None,
        name: "a".to_owned(),
        credential: Arc::new(Credential { name: "token".to_owned(), kind, url: None }),
        interval: Duration::from_secs(60),
        deadline: Duration::from_secs(48),
        stale_after: Duration::from_secs(240),
    }));
    config
}

#[test]
fn a_poll_that_is_given_up_while_its_list_is_counted_leaves_nothing_behind() {
    // One thread that counts, which the test can hold.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let simulator = simulator::start(Options { organizations: 1, ..Options::default() }).await.expect("it runs");
        let config = configuration(&simulator);
        let client = Client::new(&config.api, Arc::new(NoObserver)).await.expect("a client");
        let lifecycle = Arc::new(Lifecycle::in_memory());
        let upstream = Upstream::new(&config, client, Arc::clone(&lifecycle));
        let organization = &config.organizations[0];
        let poll = || upstream.poll(Arc::clone(organization), Deadline::of_poll(organization.deadline));
        let serve = |list: &'static str| {
            simulator.set_invitations(&organization.id, Some(list.as_bytes().into())).expect("it is there");
        };

        serve(r#"[{"status":"AVAILABLE","refLink":"a"}]"#);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || held.recv());
        assert!(timeout(Duration::from_secs(1), poll()).await.is_err(), "it waits for the thread");
        assert_eq!(simulator.requests().count("invitations"), 1, "it has its list");
        drop(release);
        let _ = holding.await.expect("it ends");
        tokio::task::spawn_blocking(|| ()).await.expect("all before it are done");

        serve("[]");
        poll().await.expect("a good one");
        let tally = lifecycle.tally(organization.key().as_str()).expect("it was counted");
        assert_eq!(tally.events, [0; _], "nothing was there before, and nothing has vanished");
    });
}
