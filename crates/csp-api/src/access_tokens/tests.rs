//! When access tokens are renewed, on a clock that stands still.

use super::*;
use crate::settings::Credential;

const MINUTE: Duration = Duration::from_secs(60);

/// How many exchanges each minute sees while `count` organizations of one OAuth app ask for their tokens, which live for
/// `life`, every ten seconds.
async fn exchanges(count: u32, life: Duration, minutes: usize) -> Vec<u32> {
    let endpoint: Url = "https://upstream/token".parse().unwrap();
    let client_secret = Secret::Inline("s".into());
    let kind = CredentialKind::OAuthApp { client_id: "app".to_owned(), client_secret };
    let credential = Arc::new(Credential { name: "app".to_owned(), kind, url: None });
    let tokens = AccessTokens::default();
    let slot = |number: u32| {
        let (id, credential) = (format!("{number:08x}-0000-4000-8000-000000000000"), Arc::clone(&credential));
        tokens.slot(&endpoint, &Organization { id, custom_group_id: None, name: String::new(), credential })
    };
    let slots: Vec<_> = (0..count).map(slot).collect();
    let start = Instant::now();
    let mut counts = vec![0; minutes];
    while let Some(minute) = counts.get_mut(usize::try_from(start.elapsed().as_secs() / 60).unwrap()) {
        for slot in &slots {
            let exchange = async {
                *minute += 1;
                let grant = Grant { token: "token".into(), lifetime: life };
                Ok(AccessToken::new(&grant, Instant::now(), SystemTime::now()).unwrap())
            };
            assert!(slot.token(&Deadline::of_poll(MINUTE), exchange).await.is_ok_and(|token| token.is_valid()));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn tokens_of_one_start_are_renewed_evenly_over_their_life_and_for_ever() {
    let counts = exchanges(300, 30 * MINUTE, 240).await;
    assert_eq!(counts[0], 300, "all at once");
    assert!(counts[1..7].iter().all(|count| *count == 0), "not in the first quarter of their life: {counts:?}");
    // From a quarter of their life to a minute before its end: 300 in 21.5 minutes, and never together again.
    for (minute, &count) in counts.iter().enumerate().skip(1) {
        assert!(count <= 28, "minute {minute}: {counts:?}");
    }
    let spans: Vec<u32> = counts[8..28].chunks(5).map(|span| span.iter().sum()).collect();
    assert!(spans.iter().all(|count| (45..95).contains(count)), "{spans:?}");
    let all: u32 = counts[1..].iter().sum();
    assert!((2200..2600).contains(&all), "each every 29 minutes: {all}");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_live_for_minutes_alone_are_renewed_when_they_have_to_be() {
    // A minute before their end.
    assert_eq!(exchanges(10, 5 * MINUTE, 13).await, [10, 0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0, 10]);
}
