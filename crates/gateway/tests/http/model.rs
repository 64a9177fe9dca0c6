//! F6: bodies for models are read while they pass.

use crate::bench::{Answer, Bench, HOST, World, listen};
use crate::one::until;
use fumehood_model::{Provider, Usage};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A provider: notes what it is sent, and answers a whole body with its cost.
async fn provider(world: &World) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let noted = Arc::clone(&noted);
        async move {
            let mut room = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut room).await {
                let mut seen = noted.lock().unwrap();
                seen.extend_from_slice(&room[..n]);
                if seen.ends_with(b"]}") {
                    break;
                }
            }
            let whole = noted.lock().unwrap().ends_with(b"]}");
            if whole {
                let body = r#"{"usage":{"input_tokens":7,"output_tokens":5}}"#;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 46\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(body.as_bytes()).await.unwrap();
            }
        }
    };
    (
        listen(world.server(HOST, SystemTime::now(), &[b"http/1.1"]), serve).await,
        seen,
    )
}

async fn ask(bench: &Bench, body: &str) -> String {
    let mut client = bench.client(&[b"http/1.1"]).await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    // The answer may come before all of it is sent.
    let _answered = client.write_all(body.as_bytes()).await;
    String::from_utf8(until(&mut client, b"}").await).unwrap()
}

fn turn(content: &str) -> String {
    let long = "x".repeat(300_000);
    format!(
        r#"{{"model":"m","system":"{long}","messages":[{{"role":"user","content":[{content}]}}],"tools":[{{"name":"f","input_schema":{{}}}}]}}"#
    )
}

#[tokio::test]
async fn f6_what_would_be_fetched_for_a_body_never_leaves_whole() {
    let world = World::new(SystemTime::now());
    let image =
        |host: &str| format!(r#"{{"type":"image","source":{{"type":"url","url":"https://{host}/?leak"}}}}"#);
    for (body, passes) in [
        (turn(r#"{"type":"text","text":"https://evil.example/"}"#), true),
        (turn(&image("evil.example")), false),
        (turn(&image("docs.example")), true),
        (turn("{").replace("]}", "]"), false),
    ] {
        let (server, seen) = provider(&world).await;
        let bench = Bench::new(&world, server, |_| Some(Answer::Model(Provider::Anthropic))).await;
        let got = ask(&bench, &body).await;
        let seen = seen.lock().unwrap().clone();
        if passes {
            assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
            assert_eq!(*bench.judge.used.lock().unwrap(), [Usage { input: 7, output: 5 }]);
        } else {
            assert!(
                got.starts_with("HTTP/1.1 403 ") && got.contains("model."),
                "{got}"
            );
            assert!(!seen.ends_with(b"]}"), "the provider has a whole body");
            assert!(!String::from_utf8_lossy(&seen).contains("leak"));
        }
    }
}
