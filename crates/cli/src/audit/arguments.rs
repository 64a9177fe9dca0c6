//! The command line of `fumehood audit`, as types.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Verify the logs, from every record to the signed heads
    Verify {
        /// Only this session
        session: Option<String>,
        /// Signed heads of the account's index that someone else kept
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a proof that a record is in the log, for whoever has the account's public key
    Prove {
        /// The record, as `query` names it: SESSION:NUMBER
        event: String,
    },
    /// Verify a proof; needs nothing but the proof and the account's public key
    VerifyProof {
        /// The proof
        file: PathBuf,
        /// The account's public key, as `key` prints it, instead of this account's
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the account's public key, which verifies everything
    Key {
        /// Replace the signing key first: what it signed can never be signed again
        #[arg(long)]
        rotate: bool,
    },
    /// Have the witnesses of the configuration countersign the account's head
    Witness {
        /// Print what a witness has to be told: name and key of this log
        #[arg(long)]
        key: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget what sessions recorded; that they took place stays, and the log still verifies
    #[command(group = clap::ArgGroup::new("whose").required(true))]
    Erase {
        /// This session
        #[arg(group = "whose")]
        session: Option<String>,
        /// All that began before this time (UTC), such as 2026-11-25
        #[arg(long, value_name = "TIME", group = "whose")]
        before: Option<String>,
    },
    /// Find records
    Query(QueryArguments),
    /// Print the last records, and with -f those that follow
    Tail {
        /// Of this session instead of the newest here
        session: Option<String>,
        /// Go on until the session ends
        #[arg(short, long)]
        follow: bool,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Tell what happened in a session
    Show {
        /// This session instead of the newest here
        session: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what led to a record, and what followed from it
    Why {
        /// The record, as `query` names it: SESSION:NUMBER
        event: String,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Print a card of what a session did, how to take it back, and the head that signs it
    Receipt {
        /// This session instead of the newest here
        session: Option<String>,
        /// As a note that the account signs, for others: `verify-receipt` needs it and the account's public key alone
        #[arg(long, conflicts_with = "json")]
        signed: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Verify a signed receipt; needs nothing but the receipt and the account's public key
    VerifyReceipt {
        /// The receipt
        file: PathBuf,
        /// The account's public key, as `key` prints it, instead of this account's
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Print all records for other programs
    Export(ExportArguments),
    /// Print a page about a session that needs nothing but itself
    Report {
        /// This session instead of the newest here
        session: Option<String>,
        /// As HTML; there is no other form yet
        #[arg(long)]
        html: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// In this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Not before this time (UTC), such as 2026-11-25T10:00
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Not after
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Of this kind, such as flow or program.exec
    #[arg(long = "kind", value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// About this host
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// With this effect, such as git.ref.force
    #[arg(long)]
    pub(crate) effect: Option<String>,
    /// Decided so: allow, hold or deny
    #[arg(long)]
    pub(crate) decision: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(id = "form", required = true)]
pub(crate) struct ExportArguments {
    /// Only this session
    #[arg(long, value_name = "ID", group = "which")]
    pub(crate) session: Option<String>,
    /// JSON lines, with all fields
    #[arg(long, group = "form")]
    pub(crate) jsonl: bool,
    /// OpenTelemetry log records (OTLP JSON)
    #[arg(long, group = "form")]
    pub(crate) otel: bool,
    /// Open Cybersecurity Schema Framework events
    #[arg(long, group = "form")]
    pub(crate) ocsf: bool,
}
