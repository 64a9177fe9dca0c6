//! What the pushing client is shown: while it waits, and when it is denied (gitprotocol-pack, "Report Status").

use crate::pkt::line;
use crate::push::Push;
use fumehood_policy::Escaped;

/// Bytes of one line to the client.
const MAX_LINE: usize = 900;

/// Answers to one push, in the manner that its client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    sideband: bool,
    report: bool,
}

impl Answer {
    /// For the client of this push.
    #[must_use]
    pub fn to(push: &Push) -> Answer {
        Answer {
            sideband: push.has(b"side-band-64k"),
            report: push.has(b"report-status") || push.has(b"report-status-v2"),
        }
    }

    /// A line of progress: git prints it as `remote: …`. Nothing where the client takes none.
    #[must_use]
    pub fn progress(self, words: &str) -> Vec<u8> {
        if self.sideband {
            band(2, format!("{}\n", plain(words)).as_bytes())
        } else {
            Vec::new()
        }
    }

    /// Every ref refused, with the reason: git prints `! [remote rejected]` and fails. `None` where the client
    /// asked for no report, so that only the transport can say it.
    #[must_use]
    pub fn refuse(self, push: &Push, reason: &str) -> Option<Vec<u8>> {
        if !self.report {
            return None;
        }
        let reason = plain(reason);
        let mut report = line(b"unpack ok\n");
        for command in &push.commands {
            let mut ng = b"ng ".to_vec();
            ng.extend_from_slice(command.name.as_bytes());
            ng.extend_from_slice(format!(" {reason}\n").as_bytes());
            report.extend(line(&ng));
        }
        report.extend_from_slice(b"0000");
        if !self.sideband {
            return Some(report);
        }
        let mut out: Vec<u8> = report.chunks(32 << 10).flat_map(|piece| band(1, piece)).collect();
        out.extend_from_slice(b"0000");
        Some(out)
    }
}

fn band(number: u8, bytes: &[u8]) -> Vec<u8> {
    line(&[&[number], bytes].concat())
}

/// On one line, nothing that acts on a terminal.
fn plain(words: &str) -> String {
    Escaped::from(words).at_most(MAX_LINE).to_string()
}
