//! The people and groups of one organization: all of it a function of the seed, nothing of it kept per invitation.
//!
//! A population is a number of slots. In each slot one invitation follows another, each in a cycle of some weeks: it is
//! generated, meets its fate, and is purged near the cycle's end. So the list of any simulated time can be written
//! from nothing, in constant memory, however long it is.

use super::dice::Dice;
use super::group::Group;
use super::vocabulary::{COMPANIES, GROUP_TYPES, GROUPS, PURPOSES};

/// Share of a cycle during which a slot shows its invitation, on average: 7 of 8.
const OCCUPANCY: (u64, u64) = (7, 8);

/// What sets the dice of one organization apart from each other use of the seed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Organization = 1,
    Group = 2,
    Slot = 3,
    Life = 4,
    Person = 5,
    Credentials = 6,
}

/// What all invitations of one organization share.
#[derive(Debug)]
pub(super) struct Population {
    /// The organization's GUID.
    pub(super) organization: String,
    /// Key of this organization's dice.
    key: u64,
    /// How well invitations do here, in percent.
    pub(super) health: usize,
    /// Groups that invitations carry; at most 64.
    pub(super) groups: Vec<Group>,
    /// Slots of a list of the wanted mean length.
    pub(super) slots: u64,
}

/// GUID and display name of organization `index` under `seed`.
pub(super) fn organization(seed: u64, index: usize) -> (String, String) {
    let id = Dice::new(&[seed, Use::Organization as u64, index as u64]).guid();
    let (company, purpose) = (index % COMPANIES.len(), index / COMPANIES.len());
    let name = match purpose / PURPOSES.len() {
        0 => format!("{} {}", COMPANIES[company], PURPOSES[purpose]),
        round => format!("{} {} {}", COMPANIES[company], PURPOSES[purpose % PURPOSES.len()], round + 1),
    };
    (id, name)
}

impl Population {
    /// The population of organization `index` under `seed`, with lists of `invitations` on average.
    pub(super) fn new(seed: u64, index: usize, invitations: u64) -> Self {
        let mut dice = Dice::new(&[seed, Use::Group as u64, index as u64]);
        let key = dice.next();
        // The first few show the contrast that a dashboard is for, however few there are.
        let health = match index {
            0 => 92,
            1 => 60,
            2 => 25,
            _ => 20 + dice.below(76),
        };
        let organization = organization(seed, index).0;
        let groups = GROUPS
            .iter()
            .map(|&name| {
                let (id, kind) = (dice.guid(), *dice.pick(&GROUP_TYPES));
                Group::new(id, name, kind, &organization, &mut dice)
            })
            .collect();
        let slots = (invitations.saturating_mul(OCCUPANCY.1) + OCCUPANCY.0 / 2) / OCCUPANCY.0;
        Self { organization, key, health, groups, slots }
    }

    /// Dice for one `purpose` and `number` in this organization.
    pub(super) fn dice(&self, purpose: Use, number: u64, cycle: i64) -> Dice {
        Dice::new(&[self.key, purpose as u64, number, cycle.cast_unsigned()])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::DAY;
    use crate::life::Life;

    const AT: i64 = 1_000_000_000_000;

    #[test]
    fn organizations_have_distinct_names_and_ids_that_do_not_depend_on_their_number() {
        let organizations: Vec<_> = (0..500).map(|index| organization(1, index)).collect();
        let (ids, names): (HashSet<_>, HashSet<_>) = organizations.iter().cloned().unzip();
        assert_eq!((ids.len(), names.len()), (500, 500));
        assert_eq!(organizations[0].1, "Acme Production");
        assert_ne!(organization(1, 0).0, organization(2, 0).0);
    }

    #[test]
    fn a_list_is_about_as_long_as_asked_for_and_a_complete_one_exactly() {
        let population = Population::new(5, 0, 4000);
        let length = |complete| {
            (0..population.slots).filter(|&slot| Life::shown(&population, slot, AT, complete).is_some()).count()
        };
        assert!((3800..4200).contains(&length(false)), "{}", length(false));
        assert_eq!(length(true) as u64, population.slots);
    }

    #[test]
    fn old_invitations_are_purged_and_new_ones_come() {
        let population = Population::new(5, 0, 300);
        let keys = |at| -> HashSet<u64> {
            (0..population.slots).filter_map(|s| Life::shown(&population, s, at, false)).map(|life| life.key).collect()
        };
        let (before, after) = (keys(AT), keys(AT + 10 * DAY));
        assert!(before.difference(&after).count() > 20);
        assert!(after.difference(&before).count() > 20);
        assert!(before.intersection(&after).count() > 150);
        assert!(keys(AT + 200 * DAY).is_disjoint(&before));
    }
}
