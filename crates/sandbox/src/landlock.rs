//! Landlock rights by kernel version, as values.
//!
//! Source: Documentation/userspace-api/landlock.rst. Rights are additive along the path, so a grant
//! of reading on the root of the sandbox covers all it sees, and writing is granted place by place.

/// The rights on files that a Landlock version knows.
#[must_use]
pub(crate) fn known(abi: u32) -> u64 {
    let newest = match abi {
        0 => return 0,
        1 => 12,     // up to MAKE_SYM
        2 => 13,     // REFER
        3 | 4 => 14, // TRUNCATE
        _ => 15,     // IOCTL_DEV
    };
    (1 << (newest + 1)) - 1
}

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_BLOCK: u64 = 1 << 11;
const MAKE_SYM: u64 = 1 << 12;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

/// Signals and abstract sockets stay inside (ABI 6).
#[must_use]
pub(crate) fn scopes(abi: u32) -> u64 {
    if abi >= 6 { 0b11 } else { 0 }
}

/// The one of [`scopes`] that keeps abstract sockets inside.
pub(crate) const ABSTRACT_SOCKETS: u64 = 1;

/// The rights of a confined helper process on a place.
#[must_use]
pub(crate) fn reach(reach: crate::Reach, abi: u32) -> u64 {
    const LOOK: u64 = READ_FILE | READ_DIR;
    const NOTE: u64 = LOOK | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE;
    let wanted = match reach {
        crate::Reach::Look => LOOK,
        // A file: it has no rights of directories.
        crate::Reach::Write => READ_FILE | WRITE_FILE,
        crate::Reach::Note => NOTE,
        crate::Reach::Follow => NOTE | MAKE_DIR | MAKE_SYM | REMOVE_DIR,
        crate::Reach::Read => EXECUTE | READ_FILE | READ_DIR,
        crate::Reach::Use => READ_FILE | WRITE_FILE | READ_DIR | REMOVE_DIR,
        crate::Reach::Empty => REMOVE_DIR,
        crate::Reach::Keep => {
            let files = READ_FILE | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE | REFER;
            files | READ_DIR | MAKE_DIR | REMOVE_DIR
        }
    };
    wanted & known(abi)
}

/// What may be done below a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Read and execute.
    Read,
    /// Everything but making device nodes.
    Write,
    /// Read, write and control one device or special file.
    Device,
    /// Read and write one file, or the files of a directory without making any.
    WriteExisting,
}

/// The rights of a grant, as far as this version knows them. `directory` says what the place is:
/// directory rights on a file are refused by the kernel.
#[must_use]
pub(crate) fn rights(grant: Grant, directory: bool, abi: u32) -> u64 {
    let on_files = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
    let wanted = match grant {
        Grant::Read => EXECUTE | READ_FILE | READ_DIR,
        Grant::Write => !(MAKE_CHAR | MAKE_BLOCK),
        Grant::Device => READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV | READ_DIR,
        Grant::WriteExisting => EXECUTE | READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE,
    };
    wanted & known(abi) & if directory { u64::MAX } else { on_files }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_knows_what_the_kernel_documents() {
        assert_eq!(known(0), 0);
        assert_eq!(known(1), 0x1fff);
        assert_eq!(known(2), 0x3fff);
        assert_eq!(known(3), 0x7fff);
        assert_eq!(known(4), 0x7fff);
        assert_eq!(known(5), 0xffff);
        assert_eq!(known(9), 0xffff);
    }

    #[test]
    fn no_grant_makes_devices_and_files_get_no_directory_rights() {
        for grant in [Grant::Read, Grant::Write, Grant::Device, Grant::WriteExisting] {
            for abi in 1..12 {
                assert_eq!(rights(grant, true, abi) & (MAKE_CHAR | MAKE_BLOCK), 0);
                assert_eq!(rights(grant, false, abi) & READ_DIR, 0);
                assert_eq!(rights(grant, true, abi) & !known(abi), 0);
            }
        }
    }
}
