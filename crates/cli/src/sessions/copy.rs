//! `fumehood cp`: files out of a session, and into one. A `tar` inside writes or reads the stream; what comes out of it is not
//! believed (crates/archive).

use super::exec::{mask, word, words};
use super::{CpArguments, Failure, Living, before_program, ended, find};
use crate::say;
use fumehood_archive::{Bounds, LeftOut, PackError, UnpackError, pack, unpack};
use fumehood_monitor::desk::Over;
use fumehood_policy::Escaped;
use fumehood_policy::value::ByteSize;
use fumehood_sandbox::Launch;
use fumehood_session::{Exec, Executed};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most files of a copy out of a session.
const MAX_ENTRIES: u64 = 1_000_000;
/// As much as is read of what `tar` complains of, bytes.
const MAX_WORDS: u64 = 4096;

/// Copies.
pub(crate) fn cp(arguments: &CpArguments) -> u8 {
    ended(attempt(arguments))
}

fn attempt(arguments: &CpArguments) -> Result<u8, Failure> {
    let both = (inside(&arguments.from), inside(&arguments.to));
    match both {
        (Some((session, path)), None) => out(arguments, &session, &path),
        (None, Some((session, path))) => into(&arguments.from, &session, &path),
        _ => Err(
            "one of the two is a path inside: SESSION:PATH; a path here that has a colon begins with ./"
                .into(),
        ),
    }
}

/// `SESSION:PATH`. A path that begins with `/` or `.` is one of this machine.
fn inside(place: &OsStr) -> Option<(String, PathBuf)> {
    let bytes = place.as_bytes();
    if matches!(bytes.first(), Some(b'/' | b'.')) {
        return None;
    }
    let at = bytes.iter().position(|b| *b == b':')?;
    let session = std::str::from_utf8(bytes.get(..at)?).ok()?;
    let path = bytes.get(at + 1..).filter(|path| !path.is_empty())?;
    Some((session.to_owned(), PathBuf::from(OsStr::from_bytes(path))))
}

fn living(session: &str) -> Result<Living, String> {
    find(Some(session)).map_err(|why| {
        format!("{why}; of one that has ended, `fumehood resume` runs a program and `fumehood rescue` copies what it wrote")
    })
}

/// Where something is, and its name there. `.` and `/` have none.
fn split(path: &Path) -> (PathBuf, Option<OsString>) {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
            (parent.to_owned(), Some(name.to_owned()))
        }
        (_, Some(name)) => (PathBuf::from("."), Some(name.to_owned())),
        _ => (path.to_owned(), None),
    }
}

fn out(arguments: &CpArguments, session: &str, path: &Path) -> Result<u8, Failure> {
    let most: ByteSize = arguments
        .most
        .parse()
        .map_err(|e: fumehood_policy::value::Invalid| format!("--most: {e}; {}", e.help))?;
    let (parent, name) = split(path);
    let to = Path::new(&arguments.to);
    let (folder, top) = if to.is_dir() {
        let name = name.clone().unwrap_or_else(|| OsString::from(session));
        (to.to_owned(), name)
    } else {
        let (folder, top) = split(to);
        (folder, top.ok_or("name a place to copy to")?)
    };
    let here = File::open(&folder).map_err(|e| format!("{}: {e}", Escaped::from(folder.as_path())))?;
    let session = living(session)?;
    let (reader, writer) = pipe()?;
    let mut words = vec![
        "tar".into(),
        "-c".into(),
        "-f".into(),
        "-".into(),
        "-C".into(),
        dotted(&parent),
    ];
    words.push(match &name {
        Some(name) => [OsStr::new("./"), name].into_iter().collect(),
        None => OsString::from("."),
    });
    let bounds = Bounds {
        bytes: most.bytes(),
        entries: MAX_ENTRIES,
    };
    let taken = std::thread::spawn(move || {
        let mut reader = File::from(reader);
        let taken = unpack(&mut reader, &here, &top, bounds);
        if taken.is_ok() {
            // `tar` pads the stream; whoever writes on learns that nobody reads.
            let _rest = std::io::copy(&mut reader.take(1 << 20), &mut std::io::sink());
        }
        taken
    });
    let ran = run(&session, &words, null()?, writer);
    let taken = taken.join().map_err(|_| "copy: gave up")?;
    match (ran, taken) {
        // Where nothing came, what went wrong inside says why.
        (Err(why), Ok(_) | Err(UnpackError::Nothing)) => Err(why),
        (_, Err(why)) => Err(Escaped::from(why.to_string().as_str()).to_string().into()),
        (Ok(()), Ok(done)) => Ok(told(done.entries, done.bytes, &done.left_out)),
    }
}

fn into(from: &OsStr, session: &str, path: &Path) -> Result<u8, Failure> {
    let (parent, name) = split(Path::new(from));
    let session = living(session)?;
    let is_folder: [OsString; 5] = ["/bin/sh", "-c", "test -d \"$1\"", "sh"]
        .map(OsString::from)
        .into_iter()
        .chain([dotted(path)])
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "no words")?;
    let folder_there = run(&session, &is_folder, null()?, null()?).is_ok();
    let (folder, top) = if folder_there {
        let name = match &name {
            Some(name) => name.clone(),
            // What `.` is called.
            None => std::fs::canonicalize(from)
                .ok()
                .and_then(|real| real.file_name().map(OsStr::to_owned))
                .ok_or("name what to copy")?,
        };
        (path.to_owned(), name)
    } else {
        let (folder, top) = split(path);
        (folder, top.ok_or("name a place inside to copy to")?)
    };
    let here = File::open(&parent).map_err(|e| format!("{}: {e}", Escaped::from(parent.as_path())))?;
    let name = name.unwrap_or_else(|| OsString::from("."));
    let (reader, writer) = pipe()?;
    before_program(session.about.workspace.as_deref());
    let (called, given) = (top.clone(), move || pack(&here, &name, &top, File::from(writer)));
    let given = std::thread::spawn(given);
    let words = ["tar", "-x", "-o", "-f", "-", "-C"].map(OsString::from);
    let words: Vec<OsString> = words.into_iter().chain([dotted(&folder)]).collect();
    let ran = run(&session, &words, reader, null()?);
    let given = given.join().map_err(|_| "copy: gave up")?;
    match (ran, given) {
        (Err(why), Ok(_) | Err(PackError::Stream(_))) => Err(why),
        (_, Err(PackError::Read(place, why))) => {
            // By the name it has here.
            let below = place.strip_prefix(&called).unwrap_or(&place);
            let place = Path::new(from)
                .components()
                .chain(below.components())
                .collect::<PathBuf>();
            Err(format!("{}: {why}", Escaped::from(place.as_path())).into())
        }
        (_, Err(why)) => Err(Escaped::from(why.to_string().as_str()).to_string().into()),
        (Ok(()), Ok(done)) => Ok(told(done.entries, done.bytes, &done.left_out)),
    }
}

/// A path that no program takes for an option.
fn dotted(path: &Path) -> OsString {
    if path.is_absolute() {
        path.as_os_str().to_owned()
    } else {
        Path::new(".").join(path).into_os_string()
    }
}

fn told(entries: u64, bytes: u64, left_out: &LeftOut) -> u8 {
    for (name, why) in &left_out.named {
        say::line(&format!("left out: {}: {why}", Escaped::from(name.as_path())));
    }
    if left_out.more > 0 {
        say::line(&format!("left out: {} more", left_out.more));
    }
    super::print(&format!(
        "copied {}, {bytes} bytes",
        crate::workspace::plural(usize::try_from(entries).unwrap_or(usize::MAX), "name")
    ));
    u8::from(!left_out.named.is_empty())
}

/// Runs a program inside, as `fumehood exec` does, with these streams.
fn run(session: &Living, command: &[OsString], stdin: OwnedFd, stdout: OwnedFd) -> Result<(), Failure> {
    let (errors, stderr) = pipe()?;
    let arguments: Result<Vec<CString>, String> = command.iter().map(|w| word(w)).collect();
    let launch = Launch {
        arguments: arguments?,
        mask: mask(),
        ..Launch::default()
    };
    let said = std::thread::spawn(move || {
        let (mut said, mut errors) = (Vec::new(), File::from(errors));
        let _as_far_as_it_went = errors.by_ref().take(MAX_WORDS).read_to_end(&mut said);
        let _rest = std::io::copy(&mut errors, &mut std::io::sink());
        said
    });
    let exec = Exec {
        launch,
        title: String::new(),
        timeout: None,
        streams: Some([stdin, stdout, stderr]),
    };
    // The connection of a caller is one program's.
    let over = fumehood_session::exec(&session.caller, exec);
    let said = said.join().unwrap_or_default();
    let program = command.first().map(|c| Escaped::from(c.as_os_str()).to_string());
    let program = program.unwrap_or_default();
    let first = said.split(|b| *b == b'\n').find(|line| !line.is_empty());
    let first = first.map(|line| Escaped::bytes(line).at_most(300).to_string());
    match over? {
        Executed::Over(Over::Exited(0)) => Ok(()),
        Executed::Over(Over::NotExecuted(errno)) => {
            Err(format!("{program}: {}: copying needs it inside", words(errno)).into())
        }
        Executed::Over(Over::Session(..)) => Err("the session ended".into()),
        _ => Err(first.unwrap_or_else(|| format!("{program} inside failed")).into()),
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), String> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| format!("a pipe: {e}"))
}

fn null() -> Result<OwnedFd, String> {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from).map_err(|e| format!("/dev/null: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_side_a_place_is_on() {
        let shown = |text: &str| inside(OsStr::new(text)).map(|(s, p)| format!("{s} {}", p.display()));
        for (text, expected) in [
            ("web:/tmp/a", Some("web /tmp/a")),
            ("web:a:b", Some("web a:b")),
            ("web:", None),
            ("./web:a", None),
            ("/web:a", None),
            ("../a:b", None),
            ("plain", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
        let (parent, name) = split(Path::new("a/b/"));
        assert_eq!((parent, name), (PathBuf::from("a"), Some(OsString::from("b"))));
        assert_eq!(split(Path::new(".")), (PathBuf::from("."), None));
        assert_eq!(split(Path::new("/")), (PathBuf::from("/"), None));
        assert_eq!(dotted(Path::new("-x")), OsString::from("./-x"));
    }
}
