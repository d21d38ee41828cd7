//! What comes from polls, in one format and coding, cut into pieces.
//!
//! Nothing of an exposition is kept but its pieces, as they are sent. A piece is a run of samples of one family; when a
//! sample in it changes, the whole piece is written anew from the snapshot. Most polls change a few families of one
//! organization, so most pieces outlive them.
//!
//! Compressed, a series takes some five bytes, as plain text a hundred or two. So of a plain exposition no more is kept
//! than [`KEPT`]; the rest is written from the snapshot again each time, when it is its turn to be sent.

mod encode;
#[cfg(test)]
pub(super) mod tests;

use std::iter::Zip;
use std::num::NonZero;
use std::ops::Range;
use std::slice::{Iter, IterMut};
use std::sync::{Arc, LazyLock};
use std::thread;

use bytes::Bytes;
use exporter_toolkit::exposition::{self, Encoding, Make, Member, Part};
use parking_lot::Mutex;

use self::encode::{Maker, Making, preamble, write};
use super::families::FAMILIES;
use super::family::{Family, Produce, Producer};
use crate::clock::Steady;
use crate::snapshot::{DataState, OrganizationSnapshot, Snapshot};

/// Bytes of plain text that are kept. A hundred thousand series or so are served as fast as a file is; what is past that is
/// written at some 100 ns a series, and takes no memory.
const KEPT: usize = 16 * 1024 * 1024;
/// Where more organizations than this have changed at once, as all have at the start, pieces are compressed on several
/// processors: of ten thousand, half of the time to the first scrape is this.
const CROWD: usize = 256;
/// More threads than this would not help: there are few families of so many samples that they count.
const HELPERS: usize = 3;

/// The families of organizations, in the order of the table.
static PRODUCED: LazyLock<Vec<(&'static Family, Produce)>> = LazyLock::new(|| {
    let produced = |family: &&'static Family| match family.producer {
        Producer::Organization(produce) => Some((*family, produce)),
        Producer::Snapshot(_) | Producer::Durations | Producer::Registered | Producer::Process(_) => None,
    };
    FAMILIES.iter().filter_map(produced).collect()
});

/// What comes from polls, as it is sent.
#[derive(Debug)]
pub(super) enum FromPolls {
    /// As it is.
    Plain(Vec<Part>),
    /// The beginning of a gzip member.
    Compressed(Member),
}

/// The families of all organizations in one format and coding.
#[derive(Debug)]
pub(super) struct Pieces {
    maker: Maker,
    entries: Arc<Vec<Entry>>,
    /// By family; the pieces of each cover every entry.
    families: Vec<Vec<Piece>>,
    /// [`CROWD`], but in tests.
    crowd: usize,
}

/// The families whose pieces nobody has taken in hand yet.
type Queue<'q> = Mutex<Zip<Iter<'static, (&'static Family, Produce)>, IterMut<'q, Vec<Piece>>>>;

/// One organization at one moment.
#[derive(Debug)]
struct Entry {
    snapshot: Arc<OrganizationSnapshot>,
    /// Data goes stale by itself.
    state: DataState,
}

impl Entry {
    fn name(&self) -> &str {
        &self.snapshot.organization.name
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot) && self.state == other.state
    }
}

/// The samples of one family of some organizations.
#[derive(Debug)]
struct Piece {
    /// Which organizations, by their position in the snapshot.
    entries: Range<usize>,
    /// The samples, in bytes of text.
    length: usize,
    /// The same with what is said before them.
    whole: usize,
    /// What is said of the family as a whole goes before its first sample; where that is in this piece: the length
    /// that was said there.
    head: Option<usize>,
    form: Form,
}

/// A piece as it is sent.
#[derive(Debug)]
enum Form {
    /// None where it is written when it is sent.
    Plain(Option<Bytes>),
    Compressed(exposition::Piece),
}

impl Pieces {
    /// Without any organization.
    pub(super) fn new(encoding: Encoding, gzip: bool) -> Self {
        let families = PRODUCED.iter().map(|_| Vec::new()).collect();
        Self { maker: Maker::new(encoding, gzip), entries: Arc::default(), families, crowd: CROWD }
    }

    /// Goes over to `snapshot` as it is at `now`.
    pub(super) fn refresh(&mut self, snapshot: &Snapshot, now: Steady) -> FromPolls {
        let Self { maker, entries, families, crowd } = self;
        let organizations = snapshot.organizations.iter();
        let after: Vec<Entry> =
            organizations.map(|one| Entry { snapshot: Arc::clone(one), state: one.data_state(now) }).collect();
        let changes = Changes::between(entries, &after);
        let before: &[Entry] = entries;
        let queue: Queue<'_> = Mutex::new(PRODUCED.iter().zip(families));
        let renew = |maker: &mut Maker| {
            // Taken under the lock, made without it.
            while let Some(((family, produce), pieces)) = { queue.lock().next() } {
                Making { maker, family, produce: *produce, entries: &after }.renew(pieces, before, &changes);
            }
        };
        let is_crowd = maker.compressor.is_some() && changes.changed.len() > *crowd;
        let processors = if is_crowd { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
        let encoding = maker.encoding;
        thread::scope(|scope| {
            for _ in 1..processors.min(1 + HELPERS) {
                // Where there is no thread to be had, there is one less.
                drop(thread::Builder::new().spawn_scoped(scope, || renew(&mut Maker::new(encoding, true))));
            }
            renew(maker);
        });
        *entries = Arc::new(after);
        self.body()
    }

    fn body(&mut self) -> FromPolls {
        let Self { maker, entries, families, crowd: _ } = self;
        if maker.compressor.is_some() {
            let compressed = families.iter_mut().flatten().filter(|piece| piece.length > 0);
            return FromPolls::Compressed(Member::begin(compressed.filter_map(|piece| match &mut piece.form {
                Form::Compressed(piece) => Some(piece),
                Form::Plain(_) => None,
            })));
        }
        let sent =
            || families.iter().enumerate().flat_map(|(family, pieces)| pieces.iter().map(move |piece| (family, piece)));
        let sent = || sent().filter(|(_, piece)| piece.length > 0);
        let unmade = sent().filter(|(_, piece)| matches!(piece.form, Form::Plain(None)));
        let unmade = unmade.map(|(family, piece)| Unmade {
            family,
            entries: piece.entries.clone(),
            head: piece.head,
            length: piece.whole,
        });
        let maker: Arc<dyn Make> =
            Arc::new(Unmades { encoding: maker.encoding, entries: Arc::clone(entries), unmade: unmade.collect() });
        let mut index = 0..;
        let part = |(_, piece): (_, &Piece)| match &piece.form {
            Form::Plain(Some(bytes)) => Part::Made(bytes.clone()),
            _ => {
                Part::Unmade { maker: Arc::clone(&maker), index: index.next().unwrap_or_default(), length: piece.whole }
            }
        };
        FromPolls::Plain(sent().map(part).collect())
    }
}

/// The pieces of one plain body that are not kept.
#[derive(Debug)]
struct Unmades {
    encoding: Encoding,
    entries: Arc<Vec<Entry>>,
    unmade: Vec<Unmade>,
}

/// What a piece is written from.
#[derive(Debug)]
struct Unmade {
    /// Position of the family among those of organizations.
    family: usize,
    entries: Range<usize>,
    head: Option<usize>,
    length: usize,
}

impl Make for Unmades {
    fn make(&self, index: usize) -> Bytes {
        let Self { encoding, entries, unmade } = self;
        let Unmade { family, entries: range, head, length } = &unmade[index];
        let (family, produce) = PRODUCED[*family];
        let mut text = Vec::with_capacity(*length);
        preamble(*encoding, family, *head, &mut text);
        for entry in &entries[range.clone()] {
            write(*encoding, family, produce, entry, &mut text);
        }
        text.into()
    }
}

/// How the organizations of one snapshot became those of the next.
#[derive(Debug, Default)]
struct Changes {
    /// For each entry before: where it is now, or would be. One more for the end.
    position: Vec<usize>,
    /// Entries before that are gone.
    gone: Vec<usize>,
    /// Entries now that are new, or not the same as before: with the entry before.
    changed: Vec<(usize, Option<usize>)>,
}

impl Changes {
    /// Both are sorted by name.
    fn between(before: &[Entry], after: &[Entry]) -> Self {
        let Self { mut position, mut gone, mut changed } = Self::default();
        let mut known = before.iter().enumerate().peekable();
        for (now, entry) in after.iter().enumerate() {
            while let Some((was, _)) = known.next_if(|(_, known)| known.name() < entry.name()) {
                position.push(now);
                gone.push(was);
            }
            let same = known.next_if(|(_, known)| known.name() == entry.name());
            position.extend(same.map(|_| now));
            if !same.is_some_and(|(_, known)| known.is(entry)) {
                changed.push((now, same.map(|(was, _)| was)));
            }
        }
        gone.extend(known.map(|(was, _)| was));
        position.resize(before.len() + 1, after.len());
        // What is new before all others belongs to the first of them.
        position[0] = 0;
        Self { position, gone, changed }
    }
}

/// The wanted families of these organizations at `now`, as they are.
pub(super) fn text(encoding: Encoding, snapshot: &Snapshot, now: Steady, wanted: impl Fn(&Family) -> bool) -> Vec<u8> {
    let (mut out, mut block) = (Vec::new(), Vec::new());
    for (family, produce) in PRODUCED.iter().filter(|(family, _)| wanted(family)) {
        block.clear();
        for one in &snapshot.organizations {
            let entry = Entry { snapshot: Arc::clone(one), state: one.data_state(now) };
            write(encoding, family, *produce, &entry, &mut block);
        }
        if !block.is_empty() {
            out.extend(exposition::preamble(encoding, &family.header(), block.len()));
            out.append(&mut block);
        }
    }
    out
}
