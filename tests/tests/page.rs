//! The local page on which holds are answered: a real hold, a browser's requests, and those of others.

use fumehood_tests::{Hosts, Running, fumehood, is_root};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const MERGE: &str = "curl -sS -w ' %{http_code}\\n' -X PUT -d '{\"sha\":\"abc\"}' https://api.github.com/repos/a/b/pulls/7/merge";

/// A page that is served, and a browser that speaks to it.
struct Browser {
    at: String,
    enter: String,
    _serving: Running,
}

impl Browser {
    /// Serves the page at a terminal of its own, outside; as who begins the run, whose processes another could not look at.
    fn open(hosts: &Hosts, run: Option<&Running>) -> Browser {
        let file = hosts.world.own("state").join("page.typescript");
        let line = format!("{} holds --page", fumehood().display());
        let file_name = file.display().to_string();
        let mut words: Vec<String> = Vec::new();
        if let Some(run) = run.filter(|_| !is_root()) {
            let user = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).ok();
            let pid = run.pid().to_string();
            until(|| user(&pid).filter(|theirs| Some(theirs) != user("self").as_ref()));
            words.extend(["nsenter", "-U", "--preserve-credentials", "-t", &pid].map(str::to_owned));
        }
        words.extend(["script", "-qefc", &line, &file_name].map(str::to_owned));
        let serving = hosts.world.sandbox().start_words(&words);
        let address = until(|| {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let mut lines = text.split_inclusive('\n');
            let line = lines.find(|l| l.starts_with("http://") && l.ends_with('\n'))?;
            Some(line.trim().to_owned())
        });
        let (at, enter) = address
            .trim_start_matches("http://")
            .split_once('/')
            .unwrap_or_default();
        Browser {
            at: at.to_owned(),
            enter: format!("/{enter}"),
            _serving: serving,
        }
    }

    /// One request, on a connection of its own; the whole answer.
    fn send(&self, start: &str, fields: &[&str], body: &str) -> String {
        let lines: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let mut answer = String::new();
        let mut exchange = || {
            let mut stream = TcpStream::connect(&self.at)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            write!(
                stream,
                "{start} HTTP/1.1\r\nConnection: close\r\n{lines}{length}\r\n{body}"
            )?;
            stream.read_to_string(&mut answer)
        };
        if let Err(error) = exchange() {
            panic!("{start}: {error}");
        }
        answer
    }

    fn host(&self) -> String {
        format!("Host: {}", self.at)
    }

    /// Comes in by the code; the cookie.
    fn cookie(&self) -> String {
        let entered = self.send(&format!("GET {}", self.enter), &[&self.host()], "");
        assert!(entered.starts_with("HTTP/1.1 303 "), "{entered}");
        let cookie = between(&entered.replace("set-cookie", "Set-Cookie"), "Set-Cookie: ", ";");
        format!("Cookie: {cookie}")
    }

    fn page(&self, cookie: &str) -> String {
        self.send("GET /", &[&self.host(), cookie], "")
    }

    /// Sends a form as the page's own.
    fn answer(&self, cookie: &str, form: &str) -> String {
        let origin = format!("Origin: http://{}", self.at);
        let media = "Content-Type: application/x-www-form-urlencoded";
        self.send("POST /answer", &[&self.host(), cookie, &origin, media], form)
    }
}

fn between(text: &str, before: &str, after: &str) -> String {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or("", |(found, _)| found).to_owned()
}

#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it did not come");
}

fn hosts() -> Hosts {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [{ host = \"api.github.com\", methods = [\"GET\", \"PUT\"] }]");
    hosts
}

/// A run that is held for as long as a busy machine takes to open the page and to answer on it.
fn start(hosts: &Hosts) -> Running {
    let sandbox = hosts.world.sandbox().deadline(Duration::from_secs(100));
    hosts.around(sandbox).start(&["sh", "-c", MERGE])
}

/// How many requests reached the far side.
fn reached(hosts: &Hosts) -> usize {
    hosts.log().matches("\"good\": \"http\"").count()
}

/// The page once something is held: the fields of its form without what decides, and the code.
fn held(browser: &Browser, cookie: &str) -> (String, String) {
    let page = until(|| Some(browser.page(cookie)).filter(|page| page.contains("<article")));
    assert!(
        page.contains("/repos/a/b/pulls/7/merge") && page.contains("PUT"),
        "{page}"
    );
    let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""), "\"");
    let all = ["token", "session", "id", "card"].map(|name| format!("{name}={}", field(name)));
    (all.join("&"), between(&page, "<label>type ", " "))
}

/// Nothing leaves before the form says the code of what was shown; then exactly that request arrives, once.
#[test]
fn a_hold_is_allowed_on_the_page() {
    let hosts = hosts();
    let run = start(&hosts);
    let browser = Browser::open(&hosts, Some(&run));
    let cookie = browser.cookie();
    let (form, code) = held(&browser, &cookie);
    assert_eq!(code.len(), 4);
    for wrong in ["", "zzz"] {
        // Too early, or without the code: either way nothing happens.
        let answer = browser.answer(&cookie, &format!("{form}&do=allow&code={wrong}"));
        assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    }
    assert_eq!(reached(&hosts), 0);
    let allowed = until(|| {
        let answer = browser.answer(&cookie, &format!("{form}&do=allow&code={code}"));
        // For 700 ms after it was shown nothing counts.
        (!answer.contains("a moment ago")).then_some(answer)
    });
    assert!(allowed.starts_with("HTTP/1.1 200 "), "{allowed}");
    let again = browser.answer(&cookie, &format!("{form}&do=allow&code={code}"));
    assert!(again.starts_with("HTTP/1.1 409 "), "{again}");
    run.wait().ended(0);
    assert_eq!(reached(&hosts), 1);
    let answers = hosts
        .world
        .sandbox()
        .verb(&["audit", "query", "--kind", "approval", "--json"])
        .ended(0);
    assert!(answers.contains("\"channel\":\"page\""), "{answers}");
}

#[test]
fn a_hold_is_denied_on_the_page_with_a_sentence() {
    let hosts = hosts();
    let run = start(&hosts);
    let browser = Browser::open(&hosts, Some(&run));
    let cookie = browser.cookie();
    let (form, _) = held(&browser, &cookie);
    let denied = browser.answer(&cookie, &format!("{form}&do=deny&words=open+a+draft+first"));
    assert!(denied.starts_with("HTTP/1.1 200 "), "{denied}");
    let said = run.wait().ended(0);
    assert!(
        said.contains("open a draft first") && said.ends_with("403"),
        "{said}"
    );
    assert_eq!(reached(&hosts), 0);
}

/// Whoever is not the browser that came in by the code does nothing and learns nothing.
#[test]
fn others_do_nothing_on_the_page() {
    let hosts = hosts();
    let run = start(&hosts);
    let browser = Browser::open(&hosts, Some(&run));
    let host = browser.host();
    // Before anybody came in: a guess, and the right code under a name that was made to mean this address.
    let guess = format!("GET /enter?code={}", "0".repeat(64));
    assert!(browser.send(&guess, &[&host], "").starts_with("HTTP/1.1 403 "));
    let rebound = browser.send(&format!("GET {}", browser.enter), &["Host: evil.example"], "");
    assert!(
        rebound.starts_with("HTTP/1.1 421 ") && !rebound.contains("ookie"),
        "{rebound}"
    );
    let cookie = browser.cookie();
    let again = browser.send(&format!("GET {}", browser.enter), &[&host], "");
    assert!(
        again.starts_with("HTTP/1.1 403 ") && !again.contains("fumehood="),
        "{again}"
    );

    let (form, code) = held(&browser, &cookie);
    let all = format!("{form}&do=allow&code={code}");
    let own = format!("Origin: http://{}", browser.at);
    let media = "Content-Type: application/x-www-form-urlencoded";
    let without = browser.send("POST /answer", &[&host, &own, media], &all);
    assert!(without.starts_with("HTTP/1.1 401 "), "{without}");
    for (fields, status) in [
        (vec![host.as_str(), &cookie, media], "403"),
        (vec![&host, &cookie, media, "Origin: http://evil.example"], "403"),
        (vec![&host, &cookie, media, "Origin: null"], "403"),
        (
            vec![&host, &cookie, media, &own, "Sec-Fetch-Site: same-site"],
            "403",
        ),
        (vec!["Host: evil.example", &cookie, media, &own], "421"),
        (vec![&host, &cookie, "Content-Type: text/plain", &own], "415"),
    ] {
        let answer = browser.send("POST /answer", &fields, &all);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{fields:?}: {answer}"
        );
    }
    // Its own, with what is not: a token, a session, a number, a content.
    for (name, forged) in [
        ("token", "0".repeat(64)),
        ("session", "../desk".to_owned()),
        ("id", "99".to_owned()),
        ("card", "0".repeat(64)),
    ] {
        let value = between(&format!("&{all}&"), &format!("&{name}="), "&");
        let answer = browser.answer(
            &cookie,
            &all.replace(&format!("{name}={value}"), &format!("{name}={forged}")),
        );
        assert!(answer.starts_with("HTTP/1.1 409 "), "{name}: {answer}");
    }
    // Inside, the page's address is the sandbox's own.
    let denied = browser.answer(&cookie, &format!("{form}&do=deny"));
    assert!(denied.starts_with("HTTP/1.1 200 "), "{denied}");
    run.wait().ended(0);
    assert_eq!(reached(&hosts), 0);
}

#[test]
fn a_sandbox_does_not_reach_the_page() {
    let hosts = hosts();
    let browser = Browser::open(&hosts, None);
    let enter = format!("http://{}{}", browser.at, browser.enter);
    let outside = browser.send(
        &format!("GET {}", browser.enter.replace("code=", "code=x")),
        &[&browser.host()],
        "",
    );
    assert!(outside.starts_with("HTTP/1.1 403 "), "{outside}");
    for flags in [&[][..], &["--allow", "api.github.com"]] {
        let tried = hosts
            .world
            .sandbox()
            .flags(flags)
            .run(&["curl", "-sS", "-m", "20", &enter]);
        assert_ne!(tried.code, 0, "{}", tried.text());
        assert!(!tried.text().contains("cookie"), "{}", tried.text());
    }
    // The code is still good: nobody was there.
    browser.cookie();
}

/// A program without a terminal answers for nobody.
#[test]
fn the_page_is_served_from_a_terminal_only() {
    let hosts = hosts();
    let own = fumehood().display().to_string();
    let refused = hosts
        .world
        .sandbox()
        .start_words(&["setsid", "-w", &own, "holds", "--page"])
        .wait();
    refused.ended(125);
    assert!(
        refused.errors().contains("from a terminal"),
        "{}",
        refused.errors()
    );
}
