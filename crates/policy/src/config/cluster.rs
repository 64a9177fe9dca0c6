//! `[postgres.NAME]` and `[kube.NAME]`: services with a verdict for each kind of effect.

use super::Node;
use crate::value::{Label, PostgresAddress, SecretSource, Verdict};

/// `[postgres.NAME]`: a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Where it listens.
    pub at: PostgresAddress,
    /// Where its password lies; it never enters the sandbox.
    pub password: Option<SecretSource>,
    /// The environment it belongs to, for rules.
    pub env: Option<Label>,
    /// What happens to statements.
    pub on: PostgresVerdicts,
}

/// A verdict for each kind of statement; none means the shipped policy's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresVerdicts {
    /// `sql.read`
    pub read: Option<Verdict>,
    /// `sql.write`
    pub write: Option<Verdict>,
    /// `sql.ddl`
    pub ddl: Option<Verdict>,
    /// `sql.destroy`
    pub destroy: Option<Verdict>,
}

impl Postgres {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let at = f.need("at", "such as \"localhost:5432/app_dev\"", Node::parse);
            let password = f.get("password", Node::parse);
            let env = f.get("env", Node::parse);
            let on = f.get("on", postgres_verdicts).unwrap_or_default();
            Some(Self {
                at: at?.value,
                password,
                env,
                on,
            })
        })
    }
}

fn postgres_verdicts(node: &Node<'_>) -> Option<PostgresVerdicts> {
    node.table(|f| {
        Some(PostgresVerdicts {
            read: f.get("read", Node::parse),
            write: f.get("write", Node::parse),
            ddl: f.get("ddl", Node::parse),
            destroy: f.get("destroy", Node::parse),
        })
    })
}

/// `[kube.NAME]`: a Kubernetes cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kube {
    /// The context in the user's own kubeconfig; its token is fetched outside.
    pub context: String,
    /// The environment it belongs to, for rules.
    pub env: Option<Label>,
    /// What happens to requests.
    pub on: KubeVerdicts,
}

/// A verdict for each kind of request; none means the shipped policy's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeVerdicts {
    /// `cluster.read`
    pub read: Option<Verdict>,
    /// `cluster.write`
    pub write: Option<Verdict>,
    /// `cluster.delete`
    pub delete: Option<Verdict>,
    /// `cluster.exec`
    pub exec: Option<Verdict>,
    /// `cluster.secret`
    pub secrets: Option<Verdict>,
}

impl Kube {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let context = f.need("context", "name a context of your kubeconfig", context);
            let env = f.get("env", Node::parse);
            let on = f.get("on", kube_verdicts).unwrap_or_default();
            Some(Self {
                context: context?.value,
                env,
                on,
            })
        })
    }
}

fn context(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.is_empty() || text.len() > 253 || text.contains(char::is_control) {
        node.error(
            "not the name of a context",
            "as `kubectl config get-contexts` prints it",
        );
        return None;
    }
    Some(text.to_owned())
}

fn kube_verdicts(node: &Node<'_>) -> Option<KubeVerdicts> {
    node.table(|f| {
        Some(KubeVerdicts {
            read: f.get("read", Node::parse),
            write: f.get("write", Node::parse),
            delete: f.get("delete", Node::parse),
            exec: f.get("exec", Node::parse),
            secrets: f.get("secrets", Node::parse),
        })
    })
}
