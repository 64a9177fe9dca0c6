//! HTTP/2, from end to end.

use crate::bench::{Answer, Bench, HOST, World, listen};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

const SOON: Duration = Duration::from_secs(20);

async fn client(bench: &Bench) -> SendRequest<Bytes> {
    let stream = bench.client(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send
}

/// Echoes each body with its head's path, and a status in the trailers, as gRPC does.
async fn echo(stream: TlsStream<TcpStream>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            assert_eq!(request.headers()["te"], "trailers");
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            if path == "/only-trailers" {
                let only = Response::builder().header("grpc-status", "12").body(()).unwrap();
                respond.send_response(only, true).unwrap();
                return;
            }
            let head = Response::builder().header("x-path", path).body(()).unwrap();
            let mut send = respond.send_response(head, false).unwrap();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                fumehood_lane::two::send(&mut send, data).await.unwrap();
            }
            let mut trailers = body.trailers().await.unwrap().unwrap_or_default();
            trailers.insert("grpc-status", "0".parse().unwrap());
            send.send_trailers(trailers).unwrap();
        });
    }
}

async fn server(world: &World) -> std::net::SocketAddr {
    listen(world.server(HOST, SystemTime::now(), &[b"h2"]), echo).await
}

fn post(path: &str) -> Request<()> {
    let uri = format!("https://{HOST}{path}");
    Request::post(uri).header("te", "trailers").body(()).unwrap()
}

async fn call(send: &SendRequest<Bytes>, path: &str, body: Vec<u8>) -> (Vec<u8>, HeaderMap) {
    let mut send = send.clone().ready().await.unwrap();
    let (response, mut stream) = send.send_request(post(path), false).unwrap();
    let sending = async {
        fumehood_lane::two::send(&mut stream, body.into()).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-request-trailer", "1".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
    };
    let receiving = async {
        let mut body = response.await.unwrap().into_body();
        let mut got = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            got.extend_from_slice(&data);
        }
        (got, body.trailers().await.unwrap().unwrap_or_default())
    };
    timeout(SOON, async { tokio::join!(sending, receiving).1 })
        .await
        .expect("in time")
}

#[tokio::test]
async fn calls_with_trailers_pass_and_many_at_once_share_a_connection() {
    let world = World::new(SystemTime::now());
    let bench = Bench::open(&world, server(&world).await).await;
    let send = client(&bench).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..40usize {
        let send = send.clone();
        calls.spawn(async move {
            let body: Vec<u8> = (0..n * 5_000).map(|i| (i + n) as u8).collect();
            let (got, trailers) = call(&send, &format!("/{n}"), body.clone()).await;
            assert!(got == body, "call {n}: {} bytes of {}", got.len(), body.len());
            assert_eq!(
                (&trailers["grpc-status"], &trailers["x-request-trailer"]),
                (&"0".parse().unwrap(), &"1".parse().unwrap())
            );
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    assert_eq!(bench.dialled(), 1);
}

#[tokio::test]
async fn a_response_of_a_head_alone_ends_with_it() {
    let world = World::new(SystemTime::now());
    let bench = Bench::open(&world, server(&world).await).await;
    let mut send = client(&bench).await;
    let (response, _) = send.send_request(post("/only-trailers"), true).unwrap();
    let response = timeout(SOON, response).await.unwrap().unwrap();
    assert_eq!(response.headers()["grpc-status"], "12");
    assert!(response.body().is_end_stream());
}

/// A server without HTTP/2 is spoken to in HTTP/1: the request is written anew either way.
#[tokio::test]
async fn a36_to_a_server_of_http_1() {
    use crate::one::until;
    use tokio::io::AsyncWriteExt;
    let world = World::new(SystemTime::now());
    let (note, noted) = tokio::sync::oneshot::channel();
    let note = std::sync::Mutex::new(Some(note));
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let note = note.lock().unwrap().take();
        async move {
            let head = until(&mut stream, b"\r\n\r\n").await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x\r\nX: y\r\n\r\nhi")
                .await
                .unwrap();
            note.unwrap().send(String::from_utf8(head).unwrap()).unwrap();
        }
    };
    let bench = Bench::open(&world, listen(tls, serve).await).await;
    let mut send = client(&bench).await;
    let request = Request::get(format!("https://{HOST}/p?q"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(())
        .unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    let response = timeout(SOON, response).await.unwrap().unwrap();
    assert_eq!(response.headers()["content-length"], "2");
    assert!(
        response.headers().get("x").is_none(),
        "what Connection names ends at this hop"
    );
    assert_eq!(
        noted.await.unwrap(),
        "GET /p?q HTTP/1.1\r\nHost: a.example\r\ncookie: a=1; b=2\r\n\r\n"
    );
}

/// A1: `:authority` and `Host` name the destination, or the stream is answered without anybody being asked.
#[tokio::test]
async fn a1_other_authorities_are_refused() {
    let world = World::new(SystemTime::now());
    let bench = Bench::open(&world, server(&world).await).await;
    let mut send = client(&bench).await;
    let other = Request::get("https://evil.example/").body(()).unwrap();
    let scheme = Request::get(format!("http://{HOST}/")).body(()).unwrap();
    let host = Request::get(format!("https://{HOST}/"))
        .header("host", "evil.example")
        .body(())
        .unwrap();
    for request in [other, scheme, host] {
        let shown = format!("{request:?}");
        let (response, _) = send.send_request(request, true).unwrap();
        let response = timeout(SOON, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 421, "{shown}");
    }
    assert_eq!((bench.dialled(), bench.asked().len()), (0, 0));
}

#[tokio::test]
async fn a_denial_is_answered_on_its_stream() {
    let world = World::new(SystemTime::now());
    let bench = Bench::new(&world, server(&world).await, |_| Some(Answer::Deny)).await;
    let mut send = client(&bench).await;
    let (response, _stream) = send.send_request(post("/x"), false).unwrap();
    let response = timeout(SOON, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(bench.dialled(), 0);
}

/// A37: streams opened and reset as fast as can be end the connection, not the gateway (CVE-2023-44487).
#[tokio::test]
async fn a37_rapid_resets_are_bounded() {
    let world = World::new(SystemTime::now());
    let bench = Bench::open(&world, server(&world).await).await;
    let send = client(&bench).await;
    for _ in 0..5_000 {
        let Ok(mut ready) = send.clone().ready().await else {
            break;
        };
        let Ok((_response, mut stream)) = ready.send_request(post("/x"), false) else {
            break;
        };
        stream.send_reset(h2::Reason::CANCEL);
    }
    // A new connection is served as before.
    let (got, _) = call(&client(&bench).await, "/y", b"after".to_vec()).await;
    assert_eq!(got, b"after");
}

/// A server that answers before the request has ended, and wants no more of it (RFC 9113 §8.1): the answer arrives
/// whole, also where it is long and the client goes on sending meanwhile.
#[tokio::test]
async fn an_early_answer_arrives_whole() {
    const LONG: usize = 3 << 20;
    let world = World::new(SystemTime::now());
    let early = |stream: TlsStream<TcpStream>| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let body = request.into_body();
                let head = Response::builder().status(413).body(()).unwrap();
                let mut send = respond.send_response(head, false).unwrap();
                let long = vec![7; LONG];
                fumehood_lane::two::send(&mut send, long.into()).await.unwrap();
                send.send_data(Bytes::new(), true).unwrap();
                // Dropped unread: the stream is reset with NO_ERROR.
                drop(body);
            });
        }
    };
    let server = listen(world.server(HOST, SystemTime::now(), &[b"h2"]), early).await;
    let bench = Bench::open(&world, server).await;
    for _ in 0..8 {
        let mut send = client(&bench).await.ready().await.unwrap();
        let (response, mut stream) = send.send_request(post("/upload"), false).unwrap();
        let sending = tokio::spawn(async move {
            // Whether it is taken or not: until nobody takes any more.
            while fumehood_lane::two::send(&mut stream, vec![1; 16 * 1024].into())
                .await
                .is_ok()
            {}
        });
        let receiving = async {
            let response = response.await.unwrap();
            assert_eq!(response.status(), 413);
            let mut body = response.into_body();
            let mut got = 0;
            loop {
                match body.data().await {
                    Some(Ok(data)) => {
                        body.flow_control().release_capacity(data.len()).unwrap();
                        got += data.len();
                    }
                    None => return got,
                    Some(Err(error)) if got == LONG && error.reason() == Some(h2::Reason::NO_ERROR) => {
                        return got;
                    }
                    Some(Err(error)) => panic!("after {got} bytes: {error}"),
                }
            }
        };
        let got = timeout(SOON, receiving).await.expect("in time");
        assert_eq!(got, LONG);
        sending.abort();
    }
}
