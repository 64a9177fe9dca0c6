//! `fumehood doctor --fix`: the one step that takes privilege on systems whose AppArmor restricts
//! user namespaces (Ubuntu 23.10 and later): a profile that names this binary.

use crate::{FAILED, say};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/etc/apparmor.d";

/// The profile that a package ships, for a binary at this path: it confines nothing, it only allows
/// this binary to make user namespaces.
#[must_use]
fn profile(binary: &Path) -> Option<String> {
    let path = binary.to_str()?;
    // Anything else would need AppArmor's quoting.
    let plain = path
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b));
    let text = format!(
        "abi <abi/4.0>,\ninclude <tunables/global>\n\nprofile fumehood {path} flags=(unconfined) {{\n  userns,\n}}\n"
    );
    plain.then_some(text)
}

/// Installs it, after showing it and asking.
pub(crate) fn fix() -> u8 {
    match attempt() {
        Ok(text) => {
            say::line(&text);
            0
        }
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn attempt() -> Result<String, String> {
    if !fumehood_session::Facts::look().apparmor_restricts {
        return Ok(
            "nothing to fix: AppArmor does not restrict user namespaces here; see fumehood doctor".to_owned(),
        );
    }
    let binary = std::env::current_exe().map_err(|e| format!("find this program's path: {e}"))?;
    let text = profile(&binary).ok_or_else(|| {
        format!(
            "{}: move fumehood to a path of plain letters, such as /usr/local/bin",
            binary.display()
        )
    })?;
    let file = PathBuf::from(FOLDER).join("fumehood");
    say::line(&format!("this profile goes to {}:\n\n{text}", file.display()));
    if !fumehood_session::is_root() {
        return Err("that takes root: run `sudo fumehood doctor --fix`".to_owned());
    }
    if !agreed("install and load it?") {
        return Err("not done".to_owned());
    }
    std::fs::write(&file, text).map_err(|e| format!("write {}: {e}", file.display()))?;
    load(&file)?;
    Ok("done; try fumehood doctor as your user".to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one administrative program fumehood starts outside a sandbox"
)]
fn load(file: &Path) -> Result<(), String> {
    let status = std::process::Command::new("/usr/sbin/apparmor_parser")
        .arg("-r")
        .arg(file)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("apparmor_parser -r {}: {status}", file.display())),
        Err(e) => Err(format!("apparmor_parser: {e}; install the package apparmor")),
    }
}

fn agreed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let _closed = write!(std::io::stderr(), "fumehood: {question} [y/N] ");
    let mut answer = String::new();
    let _end = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_names_the_binary_and_nothing_that_needs_quoting() {
        assert!(
            profile(Path::new("/usr/bin/fumehood"))
                .unwrap()
                .contains("profile fumehood /usr/bin/fumehood flags")
        );
        assert_eq!(profile(Path::new("/tmp/a b")), None);
        assert_eq!(profile(Path::new("/tmp/{a}")), None);
    }
}
