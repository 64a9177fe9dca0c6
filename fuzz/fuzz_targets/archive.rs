//! Any bytes as a tar stream from inside: they end, and make nothing but the one name they were given.

#![no_main]

use fumehood_archive::{Bounds, unpack};
use libfuzzer_sys::fuzz_target;
use std::ffi::OsStr;
use std::fs::{self, File};

fuzz_target!(|bytes: &[u8]| {
    let all = std::env::temp_dir().join(format!("fumehood-fuzz-archive-{}", std::process::id()));
    let here = all.join("here");
    let _not_there = fs::remove_dir_all(&all);
    fs::create_dir_all(&here).unwrap();
    let bounds = Bounds { bytes: 1 << 16, entries: 100 };
    if let Ok(done) = unpack(bytes, File::open(&here).unwrap(), OsStr::new("top"), bounds) {
        assert!(done.bytes <= bounds.bytes && done.entries <= bounds.entries);
    }
    assert!(fs::read_dir(&here).unwrap().all(|entry| entry.unwrap().file_name() == "top"));
    assert_eq!(fs::read_dir(&all).unwrap().count(), 1);
    fs::remove_dir_all(&all).unwrap();
});
