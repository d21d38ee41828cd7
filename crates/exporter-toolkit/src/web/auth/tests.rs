use std::time::{Duration, Instant};

use super::*;

fn headers(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
}

fn basic(text: &str) -> HeaderMap {
    headers(&[&format!("Basic {}", BASE64_STANDARD.encode(text))])
}

fn users(cost: u32) -> BTreeMap<String, PasswordHash> {
    let hash = bcrypt::hash_with_salt("secret", cost, [7; 16]).unwrap().to_string();
    [("alice".to_owned(), PasswordHash::parse(&hash).unwrap())].into()
}

async fn verify(verifier: &Verifier, users: &BTreeMap<String, PasswordHash>, text: &str) -> Checked {
    verifier.verify(users, Credentials::of(&basic(text)).unwrap(), None).await
}

#[test]
fn only_one_well_formed_basic_header_counts() {
    let good = headers(&["bAsIc YWxpY2U6c2U6Y3JldA=="]);
    let Credentials { user, password } = Credentials::of(&good).unwrap();
    assert_eq!((user.as_slice(), password.expose_secret()), (&b"alice"[..], &b"se:cret"[..]));
    for bad in ["", "Basic", "Basic ", "Bearer YWxpY2U6c2VjcmV0", "Basic YWxpY2U=", "Basic !!"] {
        assert!(Credentials::of(&headers(&[bad])).is_none(), "{bad}");
    }
    assert!(Credentials::of(&headers(&["Basic YTpi", "Basic YTpi"])).is_none());
}

#[tokio::test]
async fn the_right_password_of_the_right_user_is_right_first_and_later() {
    let (verifier, users) = (Verifier::new(), users(4));
    for _ in 0..2 {
        assert_eq!(verify(&verifier, &users, "alice:secret").await, Checked::Right);
        for wrong in ["alice:Secret", "alice:", "bob:secret", ":secret", "alice\0:secret", "alice:secret\0"] {
            assert_eq!(verify(&verifier, &users, wrong).await, Checked::Wrong, "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn a_changed_hash_makes_old_checks_worthless() {
    let (verifier, mut users) = (Verifier::new(), users(4));
    assert_eq!(verify(&verifier, &users, "alice:secret").await, Checked::Right);
    let hash = bcrypt::hash_with_salt("another", 4, [9; 16]).unwrap().to_string();
    users.insert("alice".to_owned(), PasswordHash::parse(&hash).unwrap());
    assert_eq!(verify(&verifier, &users, "alice:secret").await, Checked::Wrong);
    assert_eq!(verify(&verifier, &users, "alice:another").await, Checked::Right);
}

#[tokio::test]
async fn an_unknown_user_costs_as_much_as_a_known_one() {
    let (verifier, users) = (Verifier::new(), users(9));
    let mut times = [("alice", Duration::MAX), ("nobody", Duration::MAX)];
    let alike = |known: Duration, unknown: Duration| known < unknown * 3 / 2 && unknown < known * 3 / 2;
    // The smallest of several, and more of them on a busy machine: what really differs never gets alike.
    for round in 0..100 {
        for (user, least) in &mut times {
            let start = Instant::now();
            assert_eq!(verify(&verifier, &users, &format!("{user}:{round}")).await, Checked::Wrong);
            *least = start.elapsed().min(*least);
        }
        if round >= 6 && alike(times[0].1, times[1].1) {
            break;
        }
    }
    let [(_, known), (_, unknown)] = times;
    assert!(alike(known, unknown), "{known:?} {unknown:?}");
}
