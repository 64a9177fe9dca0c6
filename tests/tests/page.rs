//! Where else than at the run's own screen a person hears of holds: the local page on which they are answered, with a real
//! hold, a browser's requests, and those of others; and who watches is told, with pointers elsewhere.

use fumehood_tests::{Hosts, Running, fumehood, is_root};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

const MERGE: &str = "curl -sS -w ' %{http_code}\\n' -X PUT -d '{\"sha\":\"abc\"}' https://api.github.com/repos/a/b/pulls/7/merge";

/// A page that is served, and a browser that speaks to it.
struct Browser {
    at: String,
    enter: String,
    _serving: Running,
}

impl Browser {
    fn open(hosts: &Hosts, run: Option<&Running>) -> Browser {
        let file = hosts.world.own("state").join("page.typescript");
        let line = format!("{} holds --page", fumehood().display());
        let serving = at_a_terminal(hosts, &line, &file, run);
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

/// A command at a terminal of its own, outside, and what it prints in a file; as who begins the run, whose processes
/// another could not look at.
fn at_a_terminal(hosts: &Hosts, line: &str, file: &Path, run: Option<&Running>) -> Running {
    let file_name = file.display().to_string();
    let mut words: Vec<String> = Vec::new();
    if let Some(run) = run.filter(|_| !is_root()) {
        let user = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).ok();
        let pid = run.pid().to_string();
        until(|| user(&pid).filter(|theirs| Some(theirs) != user("self").as_ref()));
        words.extend(["nsenter", "-U", "--preserve-credentials", "-t", &pid].map(str::to_owned));
    }
    words.extend(["script", "-qefc", line, &file_name].map(str::to_owned));
    hosts.world.sandbox().start_words(&words)
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

/// A receiver's own reading of Standard Webhooks: the code covers identity, time and body.
const VERIFY: &str = "import base64, hashlib, hmac, json, sys
key, id, time, signature, body = sys.argv[1:]
code = hmac.new(base64.b64decode(key), f'{id}.{time}.{body}'.encode(), hashlib.sha256).digest()
assert hmac.compare_digest('v1,' + base64.b64encode(code).decode(), signature)
said = json.loads(body)
assert said['type'] == 'hold.waiting' and said['data']['tier'] == 'critical', said
assert f\"{said['data']['session']}.{said['data']['hold']}\" == id
print('good')";

/// Takes one request for each of these, and answers it so: where, and what came.
fn receiver(
    answers: &'static [&'static str],
) -> std::io::Result<(String, JoinHandle<std::io::Result<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?.to_string();
    let one = move |status: &&str| {
        let (mut stream, _) = until(|| listener.accept().ok());
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut request = Vec::new();
        let text = loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = between(&text, "Content-Length: ", "\r\n").parse::<usize>();
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if let (Ok(length), Some(there)) = (length, body)
                && there >= length
            {
                break text;
            }
            let mut part = [0; 4096];
            match stream.read(&mut part)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                got => request.extend(part.iter().take(got)),
            }
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
        Ok(text)
    };
    Ok((at, std::thread::spawn(move || answers.iter().map(one).collect())))
}

/// Whoever watches is told once of each hold, also by the desktop and by a signed call; elsewhere it is a pointer: what it is
/// about, the agent's words among it, is said at the terminal alone.
#[test]
fn who_watches_is_told_once_and_elsewhere_by_a_pointer() {
    let hosts = hosts();
    let folder = hosts.world.own("state");
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let (key_file, told, file) = (
        folder.join("webhook.key"),
        folder.join("told"),
        folder.join("watch.typescript"),
    );
    std::fs::write(&key_file, format!("whsec_{key}\n")).unwrap();
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o600)).unwrap();
    let desktop = folder.join("desktop");
    std::fs::create_dir(&desktop).unwrap();
    let program = desktop.join("notify-send");
    let script = format!(
        "#!/bin/sh\nprintf '%s|' \"$@\" >>{0}\necho >>{0}\n",
        told.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let (at, taken) = receiver(&["503 Busy", "204 No Content"]).unwrap();
    let run = start(&hosts);
    let line = format!(
        "env PATH={}:$PATH {} holds --watch --desktop --webhook http://{at}/hook --webhook-key {}",
        desktop.display(),
        fumehood().display(),
        key_file.display()
    );
    let watching = at_a_terminal(&hosts, &line, &file, Some(&run));
    let requests = taken.join().unwrap().unwrap();
    let request = &requests[1];
    let field = |name: &str| between(request, &format!("{name}: "), "\r\n");
    let body = request.split_once("\r\n\r\n").unwrap().1;
    // Tried again, it is the same one.
    assert!(requests[0].contains(&format!("webhook-id: {}\r\n", field("webhook-id"))));
    let mut words = vec![
        "python3".to_owned(),
        "-c".to_owned(),
        VERIFY.to_owned(),
        key.to_owned(),
    ];
    words.extend(["webhook-id", "webhook-timestamp", "webhook-signature"].map(field));
    words.push(body.to_owned());
    let verified = hosts.world.sandbox().start_words(&words).wait();
    assert_eq!(verified.ended(0).trim(), "good", "{request}");
    // Once, although it was looked for again while the call was tried a second time.
    let printed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(printed.matches("pulls/7/merge").count(), 1, "{printed}");
    let told = std::fs::read_to_string(&told).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.starts_with(
            "--app-name=fumehood|--urgency=critical|--|fumehood: something waits for you|session "
        ),
        "{told}"
    );
    assert!(!told.contains("pulls") && !told.contains("github"), "{told}");
    drop(watching);
    let denied = hosts.beside("deny 1 seen");
    assert!(denied.contains("denied"), "{denied}");
    run.wait().ended(0);
    assert_eq!(reached(&hosts), 0);
}

/// A key that others could read signs nothing, a desktop that is not there is said, and a program without a terminal
/// watches nothing.
#[test]
fn watching_begins_whole_or_not() {
    let hosts = hosts();
    let file = hosts.world.own("state").join("refused.typescript");
    let key_file = hosts.world.own("state").join("webhook.key");
    std::fs::write(&key_file, "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").unwrap();
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o644)).unwrap();
    let own = fumehood().display().to_string();
    let webhook = |url: &str| {
        format!(
            "{own} holds --watch --webhook {url} --webhook-key {}",
            key_file.display()
        )
    };
    for (line, why) in [
        (webhook("http://127.0.0.1:1/"), "nobody else can open"),
        (webhook("ftp://127.0.0.1/"), "not http://HOST"),
        (
            format!("env PATH=/nowhere {own} holds --watch --desktop"),
            "notify-send is not on PATH",
        ),
    ] {
        at_a_terminal(&hosts, &line, &file, None).wait().ended(125);
        let said = std::fs::read_to_string(&file).unwrap();
        assert!(said.contains(why), "{said}");
    }
    let refused = hosts
        .world
        .sandbox()
        .start_words(&["setsid", "-w", &own, "holds", "--watch"])
        .wait();
    refused.ended(125);
    assert!(
        refused.errors().contains("from a terminal"),
        "{}",
        refused.errors()
    );
}
