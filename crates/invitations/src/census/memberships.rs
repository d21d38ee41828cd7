//! Which roles and groups each invitation carries, in a few bytes each.
//!
//! What is folded into `other` depends on the whole list, and an invitation
//! counts once in each `other`: so the sets must be kept until the end of the
//! list. As variable-length numbers they take about ten bytes an invitation.

use crate::Status;

/// How many steps are taken between two looks at the clock: some milliseconds.
const CHECK_EVERY: usize = 1 << 18;

/// A sequence of (status, roles, groups), written once and read in order.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    bytes: Vec<u8>,
}

impl Memberships {
    /// Adds one invitation.
    pub(super) fn push(&mut self, status: Status, roles: &[u32], groups: &[u32]) {
        self.bytes.push(status as u8);
        for ids in [roles, groups] {
            self.number(ids.len() as u64);
            for &id in ids {
                self.number(u64::from(id));
            }
        }
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "the low seven bits are what is wanted")]
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
        self.bytes.push(number as u8);
    }

    /// Calls `each` for every invitation, in order; it returns how many steps it took beside looking at each id.
    /// Ends early with what `check` says, which is asked each time that many steps were taken, and at the end.
    pub(super) fn replay<E>(
        &self,
        check: &mut impl FnMut() -> Result<(), E>,
        mut each: impl FnMut(Status, &[u32], &[u32]) -> usize,
    ) -> Result<(), E> {
        let mut bytes = self.bytes.iter();
        let mut steps = 0;
        let (mut roles, mut groups) = (Vec::new(), Vec::new());
        while let Some(&status) = bytes.next() {
            for ids in [&mut roles, &mut groups] {
                ids.clear();
                for _ in 0..number(&mut bytes) {
                    #[expect(clippy::cast_possible_truncation, reason = "was a u32 when it was written")]
                    ids.push(number(&mut bytes) as u32);
                }
            }
            steps += 1 + roles.len() + groups.len() + each(Status::ALL[usize::from(status)], &roles, &groups);
            if steps > CHECK_EVERY {
                steps = 0;
                check()?;
            }
        }
        check()
    }

    /// Bytes in use.
    pub(super) fn footprint(&self) -> usize {
        self.bytes.len()
    }
}

fn number(bytes: &mut std::slice::Iter<'_, u8>) -> u64 {
    let mut number = 0;
    for (place, &byte) in bytes.enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            entries in prop::collection::vec((0..5usize, prop::collection::vec(any::<u32>(), 0..5),
                                              prop::collection::vec(any::<u32>(), 0..200)), 0..20)
        ) {
            let mut memberships = Memberships::default();
            for (status, roles, groups) in &entries {
                memberships.push(Status::ALL[*status], roles, groups);
            }
            let mut read = Vec::new();
            let read_all = memberships.replay(&mut || Ok::<(), ()>(()), |status, roles, groups| {
                read.push((status as usize, roles.to_vec(), groups.to_vec()));
                0
            });
            prop_assert_eq!((read_all, read), (Ok(()), entries));
        }
    }
}
