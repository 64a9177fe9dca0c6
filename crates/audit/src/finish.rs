//! A log that ended: its records and hashes as the tiles of C2SP tlog-tiles.

use crate::layout::{JOURNAL, PACKED, WIDTH, tile};
use crate::pack::pack;
use crate::read::Frames;
use crate::record::Head;
use crate::tree::{Frontier, Hash, leaf, root_of};
use crate::writer::{WriteError, doing};
use rustix::fs::{Advice, fadvise};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Lays out the tiles of a log of `size` records with this root; those before the journal are laid out already. Everything
/// is on the disk when it returns.
pub(crate) fn lay_out(folder: &Path, size: u64, root: &Hash) -> Result<(), WriteError> {
    let read = || doing("read the records");
    let journal = File::open(folder.join(JOURNAL)).map_err(read())?;
    let mut frames = Frames::new(BufReader::with_capacity(1 << 20, journal));
    let mut laid = Laid::new(folder);
    let (mut frontier, mut hashes) = (Frontier::default(), Vec::new());
    // What is laid out already, by its hashes.
    let first = frames
        .next_frame()
        .map_err(read())?
        .map(|frame| Head::read(frame, |_, _| ()));
    let before = match first {
        Some(Ok(head)) => head.sequence,
        Some(Err(_)) => return Err(WriteError::Changed),
        None => size,
    };
    for index in 0..before / WIDTH as u64 {
        let name = tile("0", index, WIDTH);
        let leaves = std::fs::read(folder.join(name)).map_err(doing("read a tile"))?;
        let (leaves, []) = leaves.as_chunks::<32>() else {
            return Err(WriteError::Changed);
        };
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        hashes.push(root_of(leaves));
    }
    let mut bundle = Vec::with_capacity(WIDTH << 8);
    let mut leaves = Vec::with_capacity(WIDTH);
    let mut again = first.is_some();
    while frontier.size() < size {
        if !std::mem::take(&mut again) && frames.next_frame().map_err(read())?.is_none() {
            return Err(WriteError::Changed);
        }
        let hash = leaf(frames.last());
        frames.copy_to(&mut bundle);
        frontier.push(hash);
        leaves.push(hash);
        if leaves.len() == WIDTH || frontier.size() == size {
            let index = (frontier.size() - 1) / WIDTH as u64;
            laid.bundle(index, &bundle, &leaves)?;
            if leaves.len() == WIDTH {
                hashes.push(root_of(&leaves));
            }
            bundle.clear();
            leaves.clear();
        }
    }
    if frontier.root() != *root {
        return Err(WriteError::Changed);
    }
    for (name, bytes) in upper_tiles(hashes) {
        laid.write(&name, &bytes)?;
    }
    laid.sync()
}

/// Lays out complete bundles, the first of which is `index`, from the beginning of a journal.
pub(crate) fn lay_out_bundles(
    folder: &Path,
    journal: File,
    index: u64,
    count: u64,
) -> Result<(), WriteError> {
    let mut frames = Frames::new(BufReader::with_capacity(1 << 20, journal));
    let mut laid = Laid::new(folder);
    let mut bundle = Vec::with_capacity(WIDTH << 8);
    let mut leaves = Vec::with_capacity(WIDTH);
    for index in index..index + count {
        for _ in 0..WIDTH {
            let frame = frames.next_frame().map_err(doing("read the records"))?;
            leaves.push(leaf(frame.ok_or(WriteError::Changed)?));
            frames.copy_to(&mut bundle);
        }
        laid.bundle(index, &bundle, &leaves)?;
        bundle.clear();
        leaves.clear();
    }
    laid.sync()
}

/// The tiles above level 0, given the roots of complete bundles.
pub(crate) fn upper_tiles(mut hashes: Vec<Hash>) -> Vec<(String, Vec<u8>)> {
    let mut tiles = Vec::new();
    for level in 1..8 {
        for (index, group) in hashes.chunks(WIDTH).enumerate() {
            let name = tile(&level.to_string(), index as u64, group.len());
            tiles.push((name, group.concat()));
        }
        hashes = hashes.chunks_exact(WIDTH).map(root_of).collect();
    }
    tiles
}

/// Files that were written and are to be synced together: the first sync then brings the filesystem's
/// journal to the disk for all of them, and the others find nothing left to do.
struct Laid<'a> {
    folder: &'a Path,
    files: Vec<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl<'a> Laid<'a> {
    fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            files: Vec::new(),
            folders: BTreeSet::new(),
        }
    }

    /// A bundle and its hashes. A complete one never changes, and is compressed.
    fn bundle(&mut self, index: u64, frames: &[u8], leaves: &[Hash]) -> Result<(), WriteError> {
        let name = tile("entries", index, leaves.len());
        if leaves.len() == WIDTH {
            let packed = pack(frames).map_err(doing("compress records"))?;
            self.write(&format!("{name}{PACKED}"), &packed)?;
        } else {
            self.write(&name, frames)?;
        }
        self.write(&tile("0", index, leaves.len()), &leaves.concat())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let path = self.folder.join(name);
        let parent = path.parent().unwrap_or(self.folder);
        if !self.folders.contains(parent) {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(parent).map_err(doing("make a folder"))?;
            self.folders.extend(
                parent
                    .ancestors()
                    .take_while(|p| *p != self.folder)
                    .map(Path::to_owned),
            );
        }
        // A writer that was killed while it laid out leaves files; they are laid again.
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).map_err(doing("make a tile"))?;
        file.write_all(bytes).map_err(doing("write a tile"))?;
        // Starts writing it out without waiting (mm/fadvise.c).
        let _only_slower = fadvise(&file, 0, None, Advice::DontNeed);
        self.files.push(path);
        Ok(())
    }

    fn sync(&self) -> Result<(), WriteError> {
        for path in self.files.iter().chain(self.folders.iter().rev()) {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(doing("sync a tile"))?;
        }
        Ok(())
    }
}

/// A file that must not exist, for appending, of this account alone.
pub(crate) fn new(path: &Path) -> Result<File, WriteError> {
    let mut options = File::options();
    options.append(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => WriteError::Exists,
        _ => doing("make a file")(error),
    })
}

/// A whole file in place of another, or none: it is there with all its bytes, or not at all.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let (path, before) = (folder.join(name), folder.join(format!("{name}.new")));
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&before).map_err(doing("make a file"))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_data())
        .and_then(|()| std::fs::rename(&before, &path))
        .map_err(doing("write a file"))?;
    sync_folder(folder)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), WriteError> {
    let opened = File::open(folder).and_then(|f| f.sync_all());
    opened.map_err(doing("sync the folder"))
}
