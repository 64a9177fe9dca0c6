//! How often a person is asked: never in an ordinary piece of work, once for each step that is hard to undo.

use fumehood_tests::{Hosts, Ran};

/// The project of the session: a clone of what the host serves, on a branch of its own.
fn work(hosts: &Hosts, steps: &str) -> Ran {
    hosts.configure(
        "[git]
own = [\"feat/**\"]
ci = { \"good.example/git/**\" = \"without-secrets\" }
[network]
allow = [
    { host = \"good.example\", methods = [\"GET\", \"POST\", \"PUT\"] },
    { host = \"api.github.com\", methods = [\"GET\", \"POST\", \"PUT\", \"DELETE\"] },
]",
    );
    let script = format!(
        "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
        api() {{ python3 - \"$@\" <<'PY'
import sys, urllib.error, urllib.request
method, url, body = sys.argv[1:]
request = urllib.request.Request(url, data=body.encode() or None, method=method, headers={{'Content-Type': 'application/json'}})
try: print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as e: print(e.code)
PY
        }}
        cd /tmp && git clone -q https://good.example/git/r.git r && cd r && git checkout -q -b feat/sum || exit 9
        printf 'def total(a, b):\\n    return a + b\\n' >sums.py
        python3 -c 'import sums; assert sums.total(1, 2) == 3' || exit 9
        git add sums.py && git commit -q -m 'sums' && git push -q -u origin feat/sum || exit 9
        printf '# tested\\n' >>sums.py && git commit -q -am 'say so' && git push -q || exit 9
        git fetch -q && git log --format=%s -1 origin/feat/sum
        api GET https://api.github.com/repos/acme/api/pulls ''
        api POST https://api.github.com/repos/acme/api/pulls '{{\"title\":\"sums\",\"head\":\"feat/sum\",\"base\":\"main\",\"draft\":true}}'
        {steps}"
    );
    hosts.run(&["--holds", "deny"], &["sh", "-c", &script])
}

/// The kinds of what a person was asked about.
fn asked(hosts: &Hosts) -> Vec<String> {
    let program = fumehood_tests::fumehood().display().to_string();
    let words = [&program, "audit", "query", "--kind", "hold", "--json"].map(str::to_owned);
    let said = hosts.world.sandbox().start_words(&words).wait().text();
    let kind = |line: &str| {
        let (_, rest) = line
            .split_once("\"kind\":\"")
            .filter(|(_, rest)| !rest.starts_with("hold\""))?;
        rest.split('"').next().map(str::to_owned)
    };
    said.lines()
        .map(|line| kind(line).unwrap_or_else(|| line.to_owned()))
        .collect()
}

const ORDINARY: &str = "say so\n200\n200";

/// Edit, test, commit, push to an own branch, push again, fetch, read an API, open a draft: nobody is asked.
#[test]
fn an_ordinary_piece_of_work_asks_nobody() {
    let hosts = Hosts::new();
    work(&hosts, "true").prints(ORDINARY);
    assert_eq!(asked(&hosts), Vec::<String>::new());
}

/// The same with five steps that are hard to undo: five questions, and the far side saw none of the five.
#[test]
fn five_steps_that_are_hard_to_undo_ask_five_times() {
    let hosts = Hosts::new();
    let steps = "git commit -q --amend -m forced && git push -q -f 2>err; echo $?
        git push -q origin :main 2>err; echo $?
        api PUT https://api.github.com/repos/acme/api/pulls/7/merge '{}'
        api DELETE https://api.github.com/repos/acme/api ''
        api PUT https://good.example/api/v1/crates/new x";
    let ran = work(&hosts, steps);
    ran.prints(&format!("{ORDINARY}\n1\n1\n403\n403\n403"));
    assert_eq!(asked(&hosts).len(), 5, "{:?}", asked(&hosts));
    assert_eq!(
        ran.log.matches("POST /git/r.git/git-receive-pack").count(),
        2,
        "{}",
        ran.log
    );
    for path in [
        "PUT /repos/acme/api/pulls/7/merge",
        "DELETE /repos/acme/api ",
        "PUT /api/v1/crates/new",
    ] {
        assert!(!ran.log.contains(path), "{}", ran.log);
    }
}
