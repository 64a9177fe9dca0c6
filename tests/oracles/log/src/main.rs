//! Judges our logs by an implementation that is not ours: tiles, inclusion proofs and signed notes, read
//! with the crates `tlog_tiles` and `signed_note`. Prints how many checks passed.

use fumehood_audit::{Key, Kind, Records, Value, Writer};
use signed_note::{Note, StandardVerifier, VerifierList};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tlog_tiles::{Checkpoint, Error, Tile, TileHashReader, TileReader};

const ORIGIN: &str = "fumehood.example/oracle";

struct Folder(PathBuf);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| std::fs::read(self.0.join(name(tile))).expect("a tile is there");
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The name that C2SP tlog-tiles gives.
fn name(tile: &Tile) -> String {
    assert!(tile.level_index() < 1000, "short logs only");
    let (level, index, width) = (tile.level(), tile.level_index(), tile.width());
    match width {
        256 => format!("tile/{level}/{index:03}"),
        _ => format!("tile/{level}/{index:03}.p/{width}"),
    }
}

/// Writes a log of this size, and returns what verifies it.
fn write(folder: &Path, size: u64) -> String {
    let key = Key::generate().expect("random numbers");
    let verifier = key.public().verifier(ORIGIN);
    let mut writer = Writer::create(folder, ORIGIN, key).expect("a new log");
    for n in 0..size {
        let fields = BTreeMap::from([("n".to_owned(), Value::Number(n))]);
        writer.append(Kind::Flow, None, fields).expect("a record");
        if n % 100 == 99 {
            writer.commit().expect("on the disk");
            writer.rotate(1).expect("another journal");
        }
    }
    writer.finish().expect("an end");
    verifier
}

/// All records' bytes, from the bundles.
fn records(folder: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for index in 0..size.div_ceil(256) {
        let count = (size - index * 256).min(256);
        if count == 256 {
            all.extend(unzipped(&folder.join(format!("tile/entries/{index:03}.gz"))));
        } else {
            let part = folder.join(format!("tile/entries/{index:03}.p/{count}"));
            all.extend(std::fs::read(part).expect("a bundle"));
        }
    }
    Records::new(&all)
        .map(|r| r.expect("a record").0.to_vec())
        .collect()
}

/// By a program that is not ours either.
fn unzipped(file: &Path) -> Vec<u8> {
    let output = std::process::Command::new("gzip").arg("-dc").arg(file).output();
    let output = output.expect("gzip is there");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn judge(size: u64) -> u64 {
    let top = tempfile::tempdir().expect("a folder");
    let verifier = write(top.path(), size);
    let bytes = std::fs::read(top.path().join("checkpoint")).expect("a checkpoint");
    let note = Note::from_bytes(&bytes).expect("a note");
    let verifier = StandardVerifier::new(&verifier).expect("a verifier key");
    let (good, unknown) = note
        .verify(&VerifierList::new(vec![Box::new(verifier)]))
        .expect("it verifies");
    assert_eq!((good.len(), unknown.len()), (1, 0));
    let head = Checkpoint::from_bytes(note.text()).expect("a checkpoint");
    assert_eq!((head.origin(), head.size()), (ORIGIN, size));
    let folder = Folder(top.path().to_owned());
    let reader = TileHashReader::new(size, *head.hash(), &folder);
    let records = records(top.path(), size);
    assert_eq!(records.len() as u64, size);
    for (index, record) in (0..size).zip(&records) {
        let proof = tlog_tiles::prove_record(size, index, &reader).expect("a proof from our tiles");
        let hash = tlog_tiles::record_hash(record);
        tlog_tiles::check_record(&proof, size, *head.hash(), index, hash).expect("the record is in the tree");
        let other = tlog_tiles::record_hash(b"another record");
        assert!(tlog_tiles::check_record(&proof, size, *head.hash(), index, other).is_err());
    }
    size + 1
}

fn main() {
    let checks: u64 = [1, 2, 3, 255, 256, 257, 700].map(judge).iter().sum();
    println!("{checks} passed, 0 failed");
}
