//! A client, the gateway, the broker and a server on loopback, without a sandbox.

use bytes::Bytes;
use fumehood_authority::{Authority, Leaves, Roots, pem};
use fumehood_broker::{BodyDigest, Dial, Keeper, Minter, Release, Upstream, Vault};
use fumehood_destination::Destination;
use fumehood_gateway::{Ended, Inspector, Judge, Verdict};
use fumehood_http::{Denial, RequestHead};
use fumehood_lane::Lane;
use fumehood_model::{Finding, Provider, Usage};
use fumehood_monitor::DialError;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::server::TlsStream as ServerStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Where the programs of these tests want to go.
pub(crate) const HOST: &str = "a.example";

/// Dials the test's server whatever the destination is.
#[derive(Clone)]
pub(crate) struct Fixed {
    to: SocketAddr,
    dialled: Arc<AtomicUsize>,
}

impl Dial for Fixed {
    async fn dial(&self, _to: &Destination, _permitted: &[IpAddr]) -> Result<TcpStream, DialError> {
        self.dialled.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(self.to)
            .await
            .map_err(|e| DialError::Connect(e.raw_os_error().unwrap_or(5)))
    }
}

/// What the monitor of a test says.
pub(crate) type Rule = dyn Fn(&RequestHead) -> Option<Answer> + Send + Sync;

#[derive(Clone)]
pub(crate) enum Answer {
    Deny,
    /// Release it as a question to a model.
    Model(Provider),
    /// Ask for the body, and release this one.
    Body(Option<&'static [u8]>),
}

pub(crate) struct TestJudge {
    next: AtomicU64,
    rule: Box<Rule>,
    asked: Mutex<Vec<RequestHead>>,
    upstream: Arc<Upstream<Keeper, Fixed>>,
    pub(crate) used: Mutex<Vec<Usage>>,
}

impl TestJudge {
    fn release(&self, head: &RequestHead, body: Option<BodyDigest>) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.upstream.release(
            id,
            Release {
                head: head.clone(),
                permitted: Vec::new(),
                body,
                most: None,
                budget: None,
            },
        );
        id
    }
}

impl Judge for TestJudge {
    type Open = ();

    fn open(&self) -> (u64, ()) {
        (0, ())
    }

    async fn judge(&self, _request: u64, head: &RequestHead) -> Verdict {
        self.asked.lock().unwrap().push(head.clone());
        match (self.rule)(head) {
            None => Verdict::Released(self.release(head, None), None),
            Some(Answer::Model(provider)) => Verdict::Released(self.release(head, None), Some(provider)),
            Some(Answer::Body(_)) => Verdict::Body(0, 64 * 1024),
            Some(Answer::Deny) => Verdict::Denied(Denial {
                status: 403,
                reason: "the rule does not allow this method".into(),
                rule: HOST.into(),
                remedy: "name the method".into(),
            }),
        }
    }

    async fn show(&self, _asked: u64, body: Option<&Bytes>) -> Verdict {
        let head = self.asked.lock().unwrap().last().cloned().unwrap();
        match ((self.rule)(&head), body) {
            (Some(Answer::Body(wanted)), Some(shown)) => {
                let released = wanted.unwrap_or(shown);
                Verdict::Released(self.release(&head, Some(BodyDigest::of(released))), None)
            }
            _ => Verdict::Denied(Denial::new(403, "the body is too long to be judged")),
        }
    }

    async fn remote(&self, _exchange: u64, finding: &Finding) -> Result<(), Denial> {
        match finding {
            Finding::Acts { host: Some(host), .. } if host.host.to_string() == "docs.example" => Ok(()),
            other => Err(Denial::new(403, format!("model.remote: {other:?}"))),
        }
    }

    async fn used(&self, _exchange: u64, usage: Usage) {
        self.used.lock().unwrap().push(usage);
    }

    async fn lane(&self) -> std::io::Result<Lane> {
        let (one, two) = Lane::pair()?;
        let upstream = Arc::clone(&self.upstream);
        tokio::spawn(async move { upstream.serve(two).await });
        Ok(one)
    }
}

/// All of it.
pub(crate) struct Bench {
    pub(crate) gateway: SocketAddr,
    pub(crate) session: CertificateDer<'static>,
    pub(crate) judge: Arc<TestJudge>,
    pub(crate) dial: Fixed,
    pub(crate) ended: Arc<Mutex<Vec<Ended>>>,
}

/// The world's authority, whom the broker trusts.
pub(crate) struct World {
    root: CertificateDer<'static>,
    leaves: Leaves,
}

impl World {
    pub(crate) fn new(at: SystemTime) -> World {
        let authority = Authority::new(at).unwrap();
        World {
            root: authority.certificate().clone(),
            leaves: Leaves::new(authority).unwrap(),
        }
    }

    /// A server's settings, with a certificate for a host made at a time.
    pub(crate) fn server(&self, host: &str, at: SystemTime, protocols: &[&[u8]]) -> TlsAcceptor {
        let key = self.leaves.get(&host.parse().unwrap(), at).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let single = rustls::sign::SingleCertAndKey::from(Arc::unwrap_or_clone(key));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(single));
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn roots(&self) -> Roots {
        let mut roots = Roots::default();
        roots.add(Path::new("world"), &pem([&self.root])).unwrap();
        roots
    }
}

/// Serves each connection with TLS.
pub(crate) async fn listen<F>(
    tls: TlsAcceptor,
    serve: impl Fn(ServerStream<TcpStream>) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            if let Ok(stream) = tls.accept(stream).await {
                tokio::spawn(serve(stream));
            }
        }
    });
    address
}

impl Bench {
    pub(crate) async fn new(
        world: &World,
        server: SocketAddr,
        rule: impl Fn(&RequestHead) -> Option<Answer> + Send + Sync + 'static,
    ) -> Bench {
        let nothing = Vault::new(Minter::new([0; 32]));
        Bench::keeping(world, server, nothing, rule).await
    }

    /// With credentials.
    pub(crate) async fn keeping(
        world: &World,
        server: SocketAddr,
        vault: Vault,
        rule: impl Fn(&RequestHead) -> Option<Answer> + Send + Sync + 'static,
    ) -> Bench {
        let dial = Fixed {
            to: server,
            dialled: Arc::default(),
        };
        let upstream = Arc::new(Upstream::new(Keeper::new(vault), dial.clone(), &world.roots()).unwrap());
        let judge = Arc::new(TestJudge {
            next: AtomicU64::new(1),
            rule: Box::new(rule),
            asked: Mutex::default(),
            upstream,
            used: Mutex::default(),
        });
        let authority = Authority::new(SystemTime::now()).unwrap();
        let session = authority.certificate().clone();
        let inspector = Arc::new(Inspector::new(Arc::clone(&judge), authority).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&ended);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (inspector, all) = (Arc::clone(&inspector), Arc::clone(&all));
                tokio::spawn(async move {
                    let to = Destination::authority(HOST.as_bytes(), fumehood_policy::value::Port::new(443))
                        .unwrap();
                    let how = inspector.serve(stream, &to).await;
                    all.lock().unwrap().push(how);
                });
            }
        });
        Bench {
            gateway,
            session,
            judge,
            dial,
            ended,
        }
    }

    /// With a server that is asked for everything.
    pub(crate) async fn open(world: &World, server: SocketAddr) -> Bench {
        Bench::new(world, server, |_| None).await
    }

    pub(crate) async fn client(&self, protocols: &[&[u8]]) -> ClientStream<TcpStream> {
        self.client_as(HOST, &self.session, protocols).await.unwrap()
    }

    pub(crate) async fn client_as(
        &self,
        name: &str,
        trusted: &CertificateDer<'static>,
        protocols: &[&[u8]],
    ) -> std::io::Result<ClientStream<TcpStream>> {
        let mut store = RootCertStore::empty();
        store.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        let stream = TcpStream::connect(self.gateway).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    pub(crate) fn asked(&self) -> Vec<RequestHead> {
        self.judge.asked.lock().unwrap().clone()
    }

    pub(crate) fn dialled(&self) -> usize {
        self.dial.dialled.load(Ordering::Relaxed)
    }
}
