//! `check`, the part that needs no network: what would run.
