//! What usual commands do, for the examples beside a rule. Nothing is ever decided by a command line: what counts is what
//! goes over the wire, which an alias, a script and a library share. A command that is not here is not known, and no
//! example of anything.

/// The words it begins with, what one of its further words has to be (`*` at the end: begins so; nothing: any), and its effects.
type Row = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const COMMANDS: &[Row] = &[
    (
        &[
            "cargo publish",
            "npm publish",
            "pnpm publish",
            "yarn publish",
            "yarn npm publish",
            "bun publish",
            "twine upload",
            "poetry publish",
            "uv publish",
            "hatch publish",
            "flit publish",
            "gem push",
            "mvn deploy",
            "gradle publish",
            "./gradlew publish",
            "dotnet nuget push",
            "docker push",
            "podman push",
            "helm push",
            "mix hex.publish",
        ],
        &[],
        &["package.publish"],
    ),
    (
        &[
            "cargo publish",
            "npm publish",
            "pnpm publish",
            "poetry publish",
            "uv publish",
        ],
        &["--dry-run", "-n"],
        &[],
    ),
    (
        &[
            "cargo yank",
            "cargo owner",
            "npm unpublish",
            "npm deprecate",
            "npm owner",
            "gem yank",
        ],
        &[],
        &["package.yank"],
    ),
    (
        &[
            "cargo package",
            "cargo build",
            "cargo test",
            "cargo check",
            "cargo run",
            "npm pack",
            "npm test",
            "npm run",
            "python -m build",
            "poetry build",
            "uv build",
            "go build",
            "go test",
            "make",
            "pytest",
            "gem build",
            "docker build",
        ],
        &[],
        &[],
    ),
    (
        &[
            "cargo fetch",
            "npm install",
            "npm ci",
            "pnpm install",
            "yarn install",
            "pip install",
            "uv sync",
            "go mod download",
            "bundle install",
        ],
        &[],
        &["package.fetch"],
    ),
    (
        &["git fetch", "git pull", "git clone", "git ls-remote"],
        &[],
        &["git.read"],
    ),
    (
        &[
            "git status",
            "git commit",
            "git add",
            "git diff",
            "git log",
            "git rebase",
            "git merge",
            "git switch",
            "git checkout",
        ],
        &[],
        &[],
    ),
    (&["git push"], &[], &["git.ref.update"]),
    (
        &["git push"],
        &["-f", "--force*", "--mirror", "+*"],
        &["git.ref.force"],
    ),
    (
        &["git push"],
        &["-d", "--delete", ":*", "--prune"],
        &["git.ref.delete"],
    ),
    (
        &["git push"],
        &["--tags", "--follow-tags", "refs/tags/*", "tag"],
        &["git.tag.create"],
    ),
    (&["gh pr merge", "glab mr merge"], &[], &["forge.pull.merge"]),
    (&["gh pr create", "glab mr create"], &[], &["forge.pull.write"]),
    (&["gh pr create"], &["--draft", "-d"], &[]),
    (
        &[
            "gh release create",
            "gh release edit",
            "gh release upload",
            "glab release create",
        ],
        &[],
        &["forge.release.publish"],
    ),
    (
        &["gh repo delete", "gh repo archive"],
        &[],
        &["forge.repository.delete"],
    ),
    (
        &[
            "gh issue create",
            "gh issue comment",
            "gh pr comment",
            "gh issue close",
        ],
        &[],
        &["forge.issue.write"],
    ),
    (
        &["gh secret set", "gh variable set", "gh repo edit"],
        &[],
        &["forge.settings.write"],
    ),
    (&["gh workflow run"], &[], &["git.ci.start"]),
    (
        &["kubectl delete", "helm uninstall", "helm delete"],
        &[],
        &["cluster.delete"],
    ),
    (
        &[
            "kubectl apply",
            "kubectl create",
            "kubectl patch",
            "kubectl scale",
            "kubectl rollout",
            "helm install",
            "helm upgrade",
        ],
        &[],
        &["cluster.write"],
    ),
    (
        &["kubectl apply", "helm upgrade", "helm install"],
        &["--dry-run*"],
        &["cluster.read"],
    ),
    (
        &[
            "kubectl get",
            "kubectl describe",
            "kubectl logs",
            "helm list",
            "helm status",
        ],
        &[],
        &["cluster.read"],
    ),
    (&["kubectl get"], &["secret*", "secrets*"], &["cluster.secret"]),
    (
        &["kubectl exec", "kubectl attach", "kubectl debug"],
        &[],
        &["cluster.exec"],
    ),
    (
        &["terraform apply", "tofu apply", "pulumi up"],
        &[],
        &["cloud.write"],
    ),
    (
        &["terraform destroy", "tofu destroy", "pulumi destroy"],
        &[],
        &["cloud.delete"],
    ),
    (
        &["terraform plan", "tofu plan", "pulumi preview"],
        &[],
        &["cloud.read"],
    ),
    (
        &["aws s3 rm", "gsutil rm", "gcloud storage rm"],
        &[],
        &["storage.delete"],
    ),
    (
        &["aws s3 cp", "aws s3 sync", "gsutil cp"],
        &[],
        &["storage.write"],
    ),
    (
        &[
            "aws ec2 terminate-instances",
            "gcloud compute instances delete",
            "az group delete",
        ],
        &[],
        &["cloud.delete"],
    ),
    (
        &[
            "vercel deploy",
            "netlify deploy",
            "fly deploy",
            "gcloud app deploy",
            "firebase deploy",
            "heroku releases",
        ],
        &[],
        &["deploy.run"],
    ),
    (&["ssh", "scp", "rsync -e ssh"], &[], &["ssh.connect"]),
    (&["dropdb"], &[], &["sql.destroy"]),
];

/// What a command line does. `None`: it is not known.
#[must_use]
pub fn effects_of(line: &str) -> Option<&'static [&'static str]> {
    let words: Vec<&str> = line.split_whitespace().skip_while(|w| is_setting(w)).collect();
    let begins = |known: &str| {
        let known: Vec<&str> = known.split(' ').collect();
        words.starts_with(&known).then_some(known.len())
    };
    let fits = |(names, with, effects): &Row| {
        let length = names.iter().filter_map(|known| begins(known)).max()?;
        let further = words.get(length..)?;
        let has = with.is_empty()
            || further
                .iter()
                .any(|word| with.iter().any(|one| is_like(word, one)));
        has.then_some((length, !with.is_empty(), *effects))
    };
    // The one that says most of it.
    let best = COMMANDS
        .iter()
        .filter_map(fits)
        .max_by_key(|(length, with, _)| (*length, *with));
    best.map(|(.., effects)| effects)
}

fn is_setting(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn is_like(word: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => word.starts_with(prefix),
        None => word == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_exist() {
        for (.., effects) in COMMANDS {
            assert!(
                effects.iter().all(|e| crate::value::EFFECTS.contains(e)),
                "{effects:?}"
            );
        }
    }

    #[test]
    fn the_row_that_says_most_counts() {
        let all = [
            ("cargo publish", Some(&["package.publish"][..])),
            ("cargo publish --dry-run", Some(&[][..])),
            ("CARGO_HOME=/x cargo publish -p a", Some(&["package.publish"][..])),
            ("cargo package", Some(&[][..])),
            ("git push origin main", Some(&["git.ref.update"][..])),
            ("git push origin +main", Some(&["git.ref.force"][..])),
            ("git push --force-with-lease", Some(&["git.ref.force"][..])),
            ("git push origin :old", Some(&["git.ref.delete"][..])),
            ("kubectl get secrets", Some(&["cluster.secret"][..])),
            ("kubectl get pods", Some(&["cluster.read"][..])),
            ("cargo", None),
            ("frobnicate --all", None),
            ("", None),
        ];
        for (line, effects) in all {
            assert_eq!(effects_of(line), effects, "{line}");
        }
    }
}
