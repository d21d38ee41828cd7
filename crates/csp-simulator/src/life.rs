//! What happens to one invitation, from its generation to its purge.

use super::clock::{DAY, HOUR};
use super::dice::Dice;
use super::population::{Population, Use};
use super::vocabulary::{FAMILY, FOREIGN_DOMAINS, GIVEN, OWN_DOMAINS};

const MINUTE: i64 = 60 * 1000;

/// One invitation's whole life, in simulated milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// Identity, and key of everything else that is drawn for it.
    pub(super) key: u64,
    /// Key of the person who is invited; several invitations can have the same.
    person: u64,
    /// The first sending, and the later one.
    sent: (i64, Option<i64>),
    /// From a sending to its expiration.
    validity: i64,
    /// How it ends before its purge, if it does.
    end: Option<(End, i64)>,
    /// From here on the list does not show it.
    pub(super) purged: i64,
}

/// The stretch of simulated time that one invitation of a slot has for itself.
struct Cycle {
    number: i64,
    start: i64,
    period: i64,
}

impl Cycle {
    fn of_slot(population: &Population, slot: u64, at: i64) -> Self {
        let mut dice = population.dice(Use::Slot, slot, 0);
        let period = dice.between(25 * DAY, 75 * DAY);
        let phase = dice.between(0, period);
        let number = (at + phase).div_euclid(period);
        Self { number, start: number * period - phase, period }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Redeemed,
    Revoked,
}

/// What the service says of an invitation at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// `status`.
    pub(super) status: &'static str,
    /// `generatedAt`.
    pub(super) generated: i64,
    /// `expirationTime`.
    pub(super) expiration: i64,
    /// `redeemedAt`.
    pub(super) redeemed: Option<i64>,
    /// `revokedAt`.
    pub(super) revoked: Option<i64>,
}

impl Life {
    /// The invitation that `slot` shows at simulated time `at`. Between two of them there is none, unless the list is
    /// to be `complete`.
    pub(super) fn shown(population: &Population, slot: u64, at: i64, complete: bool) -> Option<Self> {
        let life = Self::of_slot(population, slot, at);
        (complete || at < life.purged).then_some(life)
    }

    /// The invitation whose cycle in `slot` covers simulated time `at`.
    fn of_slot(population: &Population, slot: u64, at: i64) -> Self {
        let Cycle { number, start, period } = Cycle::of_slot(population, slot, at);
        let mut dice = population.dice(Use::Life, slot, number);
        let health = population.health;
        let key = dice.next();
        // Somebody is invited whom the neighbouring slot has invited already: in a sick organization often.
        let again = slot > 0 && dice.chance(4 + (100 - health) / 3);
        let (invited, cycle) =
            if again { (slot - 1, Cycle::of_slot(population, slot - 1, start).number) } else { (slot, number) };
        let person = population.dice(Use::Person, invited, cycle).next();
        let generated = start;
        let days = *dice.pick(&[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 1, 3, 14, 14, 30, 30, 60, 90]);
        let validity = days * DAY;
        let purged = generated + dice.between(period - period / 4, period);

        let fate = dice.below(100);
        let (redeem, revoke) = (20 + health * 2 / 3, 6);
        let mut sent = (generated, None);
        let mut end = None;
        // Nobody waits two months to accept: the very long ones are the forgotten ones.
        if fate < redeem && days < 60 {
            end = Some((End::Redeemed, generated + eager(&mut dice, validity)));
        } else if fate >= 100 - revoke {
            // Also after its expiration, when somebody tidies up.
            end = Some((End::Revoked, generated + dice.between(MINUTE, validity * 3 / 2)));
        } else if dice.chance(15 + health / 3) {
            let again = generated + validity + dice.between(2 * HOUR, 4 * DAY);
            sent.1 = Some(again);
            if dice.chance(50) {
                end = Some((End::Redeemed, again + eager(&mut dice, validity)));
            }
        }
        Self { key, person, sent, validity, end, purged }
    }

    /// What is seen of it at simulated time `at`.
    pub(super) fn seen(&self, at: i64) -> Seen {
        let generated = self.sent.1.filter(|&again| again <= at).unwrap_or(self.sent.0);
        let end = self.end.filter(|&(_, when)| when <= at);
        let ended = |how| end.and_then(|(end, when)| (end == how).then_some(when));
        let status = match end {
            None => "AVAILABLE",
            Some((End::Redeemed, _)) => "REDEEMED",
            Some((End::Revoked, _)) => "REVOKED",
        };
        let (redeemed, revoked) = (ended(End::Redeemed), ended(End::Revoked));
        Seen { status, generated, expiration: generated + self.validity, redeemed, revoked }
    }

    /// Dice for what it carries; the same at any time.
    pub(super) fn dice(&self) -> Dice {
        Dice::new(&[self.key])
    }

    /// Appends the invitee's e-mail address. The less healthy the organization, the more outsiders it invites.
    pub(super) fn write_username(&self, health: usize, out: &mut Vec<u8>) {
        let mut dice = Dice::new(&[self.person]);
        let domain =
            if dice.chance(5 + (100 - health) / 4) { dice.pick(&FOREIGN_DOMAINS) } else { dice.pick(&OWN_DOMAINS) };
        let (given, family, number) = (dice.pick(&GIVEN), dice.pick(&FAMILY), dice.between(1, 100_000));
        for part in [given, ".", family, &number.to_string(), "@", domain] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// Appends its GUID, the last segment of `refLink`.
    pub(super) fn write_id(&self, out: &mut Vec<u8>) {
        Dice::new(&[self.key, 1]).write_guid(out);
    }
}

/// Time until somebody accepts: most do it soon, some at the last moment.
fn eager(dice: &mut Dice, validity: i64) -> i64 {
    let once = dice.between(MINUTE, validity);
    let twice = dice.between(MINUTE, once);
    dice.between(MINUTE, twice).max(MINUTE)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const AT: i64 = 1_000_000_000_000;

    fn lives(health_of: usize) -> Vec<Life> {
        let population = Population::new(9, health_of, 3000);
        (0..population.slots).filter_map(|slot| Life::shown(&population, slot, AT, false)).collect()
    }

    fn count(lives: &[Life], test: impl Fn(&Seen) -> bool) -> usize {
        lives.iter().filter(|life| test(&life.seen(AT))).count()
    }

    #[test]
    fn the_first_list_has_every_status_and_every_age() {
        let lives = lives(1);
        let open = |seen: &Seen| seen.status == "AVAILABLE" && seen.expiration > AT;
        for days in [0..1, 1..3, 3..7, 7..30, 30..1000] {
            let age = days.start * DAY..days.end * DAY;
            assert!(
                count(&lives, |s| open(s) && age.contains(&(AT - s.generated))) > 0,
                "no pending ones of {days:?} days"
            );
            let lapsed = |s: &Seen| s.status == "AVAILABLE" && age.contains(&(AT - s.expiration));
            assert!(count(&lives, lapsed) > 0, "no expired ones of {days:?} days");
        }
        for status in ["REDEEMED", "REVOKED"] {
            assert!(count(&lives, |s| s.status == status) > 0, "{status}");
        }
    }

    #[test]
    fn an_invitation_that_is_sent_again_keeps_its_identity_and_is_open_again() {
        let lives = lives(0);
        let life = lives.iter().find(|life| life.sent.1.is_some()).unwrap();
        let again = life.sent.1.unwrap();
        let (before, after) = (life.seen(again - 1), life.seen(again));
        assert!(before.expiration < again && before.status == "AVAILABLE");
        assert_eq!((after.status, after.generated), ("AVAILABLE", again));
        assert!(after.expiration > again);
    }

    #[test]
    fn times_are_in_the_order_in_which_things_can_happen() {
        for life in lives(1) {
            for at in (0..40).map(|half| AT + half * DAY / 2) {
                let seen = life.seen(at);
                assert!(seen.redeemed.is_none_or(|when| seen.generated < when && when <= at.min(seen.expiration)));
                assert!(seen.revoked.is_none_or(|when| seen.generated < when && when <= at));
                assert!(seen.redeemed.is_none() || seen.revoked.is_none());
            }
        }
    }

    #[test]
    fn a_healthy_organization_redeems_more_than_a_sick_one() {
        let redeemed = |index| count(&lives(index), |seen| seen.status == "REDEEMED");
        assert!(redeemed(0) > redeemed(1) && redeemed(1) > redeemed(2));
        assert!(redeemed(0) > 3 * redeemed(2) / 2);
    }

    #[test]
    fn some_people_have_several_open_invitations_and_some_come_from_elsewhere() {
        let mut people: HashMap<Vec<u8>, u32> = HashMap::new();
        for life in lives(2).iter().filter(|life| life.seen(AT).status == "AVAILABLE" && life.seen(AT).expiration > AT)
        {
            let mut name = Vec::new();
            life.write_username(25, &mut name);
            *people.entry(name).or_default() += 1;
        }
        assert!(people.values().filter(|&&n| n > 1).count() > 10);
        let foreign = people.keys().filter(|name| !name.ends_with(b"@example.com") && !name.ends_with(b"@example.org"));
        let share = foreign.count() * 100 / people.len();
        assert!((10..50).contains(&share), "{share} %");
    }
}
