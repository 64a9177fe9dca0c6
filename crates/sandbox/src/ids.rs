//! Facts about this process and this kernel that a specification needs.

use crate::spec::Ids;

/// Where private ids begin: above what distributions, container engines and systemd hand out
/// (systemd's own ranges end at 0x6fff_ffff), below the signed limit that old programs have.
const FIRST_PRIVATE: u32 = 0x7000_0000;

/// The host id a sandbox started by root gets: never 0, and no two that run at the same time share
/// one, since it is counted by the supervisor's pid (below 2^22 on Linux).
#[must_use]
pub fn private_ids(supervisor: u32) -> Ids {
    let id = FIRST_PRIVATE + (supervisor & 0x003f_ffff);
    Ids { uid: id, gid: id }
}

/// The Landlock version of this kernel; 0 where it has none.
#[must_use]
pub fn landlock_version() -> u32 {
    crate::sys::landlock_version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_ids_are_never_root_nor_shared() {
        let a = private_ids(1);
        assert!(a.uid > 65536 && a.uid < 0x8000_0000);
        assert_ne!(a, private_ids(2));
        assert!(private_ids(u32::MAX).uid < 0x7fff_ffff);
    }
}
