//! Who is trusted in a run of which requests are read: the session's authority inside, the machine's roots upstream.
//!
//! The authority is made by a process of its own, before the sandbox, and handed to the gateway in memory that no
//! filesystem has a name for: its key is never in the supervisor, of which the sandbox's first process is a copy.

use crate::view::{View, ViewError};
use fumehood_authority::{
    Authority, AuthorityError, FILES, Form, Material, Roots, RootsError, Sealed, VARIABLES,
};
use fumehood_sandbox::{Errno, exit_status_of, fork_role, give_up};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Where the files lie inside that variables name.
const FOLDER: &str = "/run/fumehood";
/// The longest authority, bytes: a certificate and a key of an elliptic curve are less than one.
const LONGEST: u64 = 16 * 1024;

/// Why requests cannot be read: the run does not start.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The machine's roots.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Memory for the authority.
    #[error("keep the session's authority: {0}")]
    Memory(#[source] std::io::Error),
    /// The process that makes it.
    #[error("start the process that makes the session's authority: {0}")]
    Process(#[source] Errno),
    /// It made none.
    #[error("the session's authority cannot be made")]
    NotMade,
    /// What was kept is no authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// An authority that nobody has looked at yet: for the gateway alone.
#[derive(Debug)]
pub struct Kept(OwnedFd);

/// What a run needs to read requests.
#[derive(Debug)]
pub struct Trust {
    /// For the gateway.
    pub kept: Kept,
    /// For the broker.
    pub roots: Roots,
    /// For the sandbox.
    pub inside: Inside,
}

/// What goes inside.
#[derive(Clone, Debug)]
pub struct Inside(Arc<Material>);

impl Trust {
    /// Makes an authority, and merges its certificate with the machine's roots and those of the caller's own files.
    ///
    /// # Errors
    /// There are no roots, one of the files is none, or no authority could be made.
    pub fn new() -> Result<Trust, TrustError> {
        let roots = machine_roots()?;
        let memory =
            |name: &str| memfd_create(name, MemfdFlags::CLOEXEC).map_err(|e| TrustError::Memory(e.into()));
        let (kept, shown) = (memory("authority")?, memory("certificate")?);
        let maker = fork_role(|| make(&kept, &shown).map_or(1, |()| 0)).map_err(TrustError::Process)?;
        if exit_status_of(&maker) != Some(0) {
            return Err(TrustError::NotMade);
        }
        let certificate = read(&shown).map_err(TrustError::Memory)?;
        let material = Material::new(&roots, &certificate.into());
        Ok(Trust {
            kept: Kept(kept),
            roots,
            inside: Inside(Arc::new(material)),
        })
    }
}

fn make(kept: &OwnedFd, shown: &OwnedFd) -> Option<()> {
    give_up(&[kept.as_fd(), shown.as_fd()]).ok()?;
    let authority = Authority::new(SystemTime::now()).ok()?;
    write(kept, authority.seal().as_bytes()).ok()?;
    write(shown, authority.certificate()).ok()
}

fn write(to: &OwnedFd, bytes: &[u8]) -> std::io::Result<()> {
    File::from(to.try_clone()?).write_all_at(bytes, 0)
}

fn read(from: &OwnedFd) -> std::io::Result<Vec<u8>> {
    let file = File::from(from.try_clone()?);
    let length = file.metadata()?.len().min(LONGEST);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

impl Kept {
    /// What the gateway keeps open until it has taken the authority.
    pub(crate) fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Takes it, once: what it was handed over in is overwritten.
    pub(crate) fn take(self) -> Result<Authority, TrustError> {
        let sealed = Sealed::from_bytes(read(&self.0).map_err(TrustError::Memory)?);
        let wiped = write(&self.0, &vec![0; sealed.as_bytes().len()]);
        wiped.map_err(TrustError::Memory)?;
        ftruncate(&self.0, 0).map_err(|e| TrustError::Memory(e.into()))?;
        Ok(Authority::unseal(&sealed)?)
    }
}

/// Whom servers are verified by: the machine's roots, and those that the caller's own variables name.
///
/// # Errors
/// There are none, or a file of them is not what it should be.
pub fn machine_roots() -> Result<Roots, RootsError> {
    let named = named(|name| std::env::var_os(name));
    Roots::machine(&|path| std::fs::read(path), &named)
}

/// The files of certificates that the caller's own variables name: a company's authority, mostly.
fn named(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Vec<PathBuf> {
    let mut named: Vec<PathBuf> = Vec::new();
    for (name, _) in VARIABLES {
        let path = variable(name).map(PathBuf::from);
        if let Some(path) = path.filter(|path| path.is_absolute() && !named.contains(path)) {
            named.push(path);
        }
    }
    named
}

impl Inside {
    /// Puts the certificates where programs look for them: in files of our own, and over those of the system and of
    /// the Java that `search` finds.
    pub(crate) fn show(&self, view: &mut View<'_>, search: &std::ffi::OsStr) -> Result<(), ViewError> {
        for form in [Form::Bundle, Form::Session] {
            view.put_file(&place(form), self.0.bytes(form).to_vec())?;
        }
        let java = java(search).map(|path| (path, Form::Java));
        let known = FILES.iter().map(|(path, form)| (PathBuf::from(path), *form));
        let mut replaced: Vec<PathBuf> = Vec::new();
        for (path, form) in known.chain(java) {
            let Ok(real) = std::fs::canonicalize(&path) else {
                continue;
            };
            if real.is_file() && view.shows(&real) && !replaced.contains(&real) {
                view.replace(&real, self.0.bytes(form).to_vec());
                replaced.push(real);
            }
        }
        Ok(())
    }

    /// The variables that name them.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        fumehood_authority::variables(|form| place(form).display().to_string(), false)
    }
}

fn place(form: Form) -> PathBuf {
    Path::new(FOLDER).join(match form {
        Form::Bundle => "certificates.pem",
        Form::Session => "session.pem",
        Form::Java => "certificates.jks",
    })
}

/// The store of the Java on a search path.
fn java(search: &std::ffi::OsStr) -> Option<PathBuf> {
    let program =
        std::env::split_paths(search).find_map(|folder| std::fs::canonicalize(folder.join("java")).ok())?;
    let home = program.parent()?.parent()?;
    Some(home.join("lib/security/cacerts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the maker writes is what the gateway takes, and then it is gone from where it was handed over.
    #[test]
    fn an_authority_is_taken_once() {
        let made = Authority::new(SystemTime::now()).unwrap();
        let memory = memfd_create("authority", MemfdFlags::CLOEXEC).unwrap();
        write(&memory, made.seal().as_bytes()).unwrap();
        let again = Kept(memory.try_clone().unwrap());
        let taken = Kept(memory).take().unwrap();
        assert_eq!(taken.certificate(), made.certificate());
        assert_eq!(read(&again.0).unwrap(), b"");
        assert!(again.take().is_err());
    }

    #[test]
    fn only_whole_paths_are_files_of_the_caller() {
        let variable = |name: &str| match name {
            "SSL_CERT_FILE" | "CURL_CA_BUNDLE" => Some("/company.pem".into()),
            "PIP_CERT" => Some("relative.pem".into()),
            _ => None,
        };
        assert_eq!(named(variable), [Path::new("/company.pem")]);
    }
}
