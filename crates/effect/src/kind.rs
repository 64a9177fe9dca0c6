//! Every kind of effect, as a table.

use crate::Tier;
use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($variant:ident, $name:literal, $tier:ident, $what:literal;)*) => {
        /// What an action does. Sorted by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EffectKind {
            $(#[doc = $what] $variant,)*
        }

        /// The names of all kinds, sorted. They are a contract.
        pub const NAMES: &[&str] = &[$($name),*];

        const KINDS: &[EffectKind] = &[$(EffectKind::$variant),*];

        impl EffectKind {
            /// `git.ref.force`
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How grave an effect of this kind is at least.
            #[must_use]
            pub const fn tier(self) -> Tier {
                match self { $(Self::$variant => Tier::$tier,)* }
            }

            /// In words, for the one who approves: "moves a branch forward".
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

kinds! {
    CloudDelete, "cloud.delete", Critical, "deletes a cloud resource";
    CloudIdentity, "cloud.identity", Critical, "changes who may do what in a cloud account";
    CloudRead, "cloud.read", Low, "reads from a cloud account";
    CloudWrite, "cloud.write", Medium, "changes a cloud resource";
    ClusterDelete, "cluster.delete", Critical, "deletes objects of a cluster";
    ClusterExec, "cluster.exec", High, "runs a command in a cluster";
    ClusterRead, "cluster.read", Low, "reads from a cluster";
    ClusterSecret, "cluster.secret", High, "reads or changes a secret of a cluster";
    ClusterWrite, "cluster.write", Medium, "changes objects of a cluster";
    DeployRun, "deploy.run", High, "deploys, or starts a deployment";
    DnsResolve, "dns.resolve", Low, "resolves a name";
    ForgeIssueWrite, "forge.issue.write", Medium, "writes an issue or a comment";
    ForgePullMerge, "forge.pull.merge", High, "merges a pull request";
    ForgePullWrite, "forge.pull.write", Medium, "opens or changes a pull request";
    ForgeReleasePublish, "forge.release.publish", High, "publishes a release";
    ForgeRepositoryDelete, "forge.repository.delete", Critical, "deletes, transfers or archives a repository";
    ForgeSettingsWrite, "forge.settings.write", High, "changes settings of a repository or organisation";
    GitCiStart, "git.ci.start", High, "starts a pipeline that may hold secrets";
    GitRead, "git.read", Low, "fetches from a repository";
    GitRefCreate, "git.ref.create", Low, "creates a branch";
    GitRefDelete, "git.ref.delete", High, "deletes a branch";
    GitRefForce, "git.ref.force", Critical, "moves a branch so that commits are lost from it";
    GitRefUpdate, "git.ref.update", Medium, "moves a branch forward";
    GitSign, "git.sign", Medium, "signs a commit or tag";
    GitTagCreate, "git.tag.create", Medium, "creates a tag";
    GitTagMove, "git.tag.move", High, "moves or deletes a tag";
    GrantCreate, "grant.create", High, "gives a session a right";
    GrantRevoke, "grant.revoke", Low, "takes a right back";
    HttpMutate, "http.mutate", Medium, "sends a request that may change something";
    HttpRead, "http.read", Low, "sends a request that only reads";
    HttpStream, "http.stream", Medium, "opens a stream without an end";
    HttpTunnel, "http.tunnel", Medium, "passes bytes that nobody inspects";
    HttpUpload, "http.upload", High, "sends content to another's store";
    IdentityCreate, "identity.create", High, "creates an account, key or token";
    MessageSend, "message.send", High, "sends a message to people";
    ModelInvoke, "model.invoke", Low, "asks a model";
    ModelRemote, "model.remote", High, "lets a model's provider act or fetch";
    MoneySpend, "money.spend", Critical, "spends or moves money";
    NetConnect, "net.connect", Low, "opens a connection";
    NetPublish, "net.publish", Medium, "makes a port of the sandbox reachable";
    PackageFetch, "package.fetch", Low, "fetches a package";
    PackagePublish, "package.publish", Critical, "publishes a package";
    PackageYank, "package.yank", High, "withdraws a package";
    PolicyChange, "policy.change", Critical, "changes what is allowed";
    SecretUse, "secret.use", Medium, "uses a credential";
    SqlDdl, "sql.ddl", High, "changes a database's structure";
    SqlDestroy, "sql.destroy", Critical, "deletes a table, its rows or a database";
    SqlRead, "sql.read", Low, "reads rows";
    SqlRoles, "sql.roles", Critical, "changes who may do what in a database";
    SqlRun, "sql.run", High, "runs code in a database whose effect is not known before";
    SqlServer, "sql.server", Critical, "has a database's server read or write files, run programs or reach others";
    SqlWrite, "sql.write", Medium, "changes rows";
    SshConnect, "ssh.connect", Medium, "opens a shell connection";
    SshExec, "ssh.exec", High, "runs a command on another machine";
    StorageDelete, "storage.delete", High, "deletes stored objects";
    StorageRead, "storage.read", Low, "reads stored objects";
    StorageWrite, "storage.write", Medium, "writes stored objects";
    ToolCall, "tool.call", Low, "calls a tool";
    ToolDefine, "tool.define", High, "changes what a tool is";
    WorkspaceApply, "workspace.apply", Medium, "brings changes to the user's own files";
    WorkspaceDiscard, "workspace.discard", Medium, "throws changes away";
}

impl EffectKind {
    /// Every kind, in the order of [`NAMES`].
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().copied()
    }
}

/// No kind of effect has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no effect has this name")]
pub struct UnknownKind;

impl FromStr for EffectKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let at = NAMES.binary_search(&text).map_err(|_| UnknownKind)?;
        KINDS.get(at).copied().ok_or(UnknownKind)
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_lead_back_to_their_kind() {
        assert!(NAMES.windows(2).all(|w| w[0] < w[1]));
        for kind in EffectKind::all() {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!("git.ref.forced".parse::<EffectKind>(), Err(UnknownKind));
    }
}
