//! The server on a socket: how it stops, and what it does to clients that are slow or many.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use common::{BOUNDARY, Mood, Network, form_bytes, image_at, service, until};
use tokio::sync::oneshot;
use vireid_serve::{ServeError, Settings, serve};

struct Running {
    address: SocketAddr,
    network: Arc<Network>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServeError>>,
}

fn start(settings: Settings) -> Running {
    let (stop, stopped) = oneshot::channel();
    let network = Arc::new(Network::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let service = service(network.clone(), settings);
    let thread = std::thread::spawn(move || serve(listener, service, async { drop(stopped.await) }));
    Running { address, network, stop, thread }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// All that the server says until it closes.
fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes()).unwrap();
    rest(stream)
}

fn search() -> Vec<u8> {
    let body = form_bytes(&[("image", &image_at(0.0)), ("modality", b"visible")]);
    let head = format!(
        "POST /api/v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary={BOUNDARY}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[test]
fn what_is_under_way_is_finished_when_it_is_stopped() {
    let running = start(Settings::default());
    assert!(ask(running.address, HEALTH).starts_with("HTTP/1.1 200"));
    running.network.set(Mood::Stuck);
    let mut stream = connect(running.address);
    stream.write_all(&search()).unwrap();
    until("the request is under way", || running.network.calls.lock().unwrap().len() == 1);
    // An idle connection keeps nobody waiting.
    let idle = connect(running.address);
    running.stop.send(()).unwrap();
    until("nobody listens", || TcpStream::connect(running.address).is_err());
    assert!(!running.thread.is_finished());
    running.network.set(Mood::Works);
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"answers\":[]"), "{answer}");
    running.thread.join().unwrap().unwrap();
    assert_eq!(rest(idle), "");
}

#[test]
fn what_never_ends_is_not_waited_for() {
    let running = start(Settings { grace: Duration::from_millis(100), ..Settings::default() });
    running.network.set(Mood::Stuck);
    let mut stream = connect(running.address);
    stream.write_all(&search()).unwrap();
    until("the request is under way", || running.network.calls.lock().unwrap().len() == 1);
    running.stop.send(()).unwrap();
    running.thread.join().unwrap().unwrap();
    assert_eq!(rest(stream), "");
    running.network.set(Mood::Works);
}

#[test]
fn slow_clients_are_left_and_further_ones_wait_for_a_place() {
    let settings = Settings { connections: 1, timeout: Duration::from_millis(300), ..Settings::default() };
    let running = start(settings);
    let mut slow = connect(running.address);
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: local").unwrap();
    // Its place is free when its header has taken too long.
    assert!(ask(running.address, HEALTH).starts_with("HTTP/1.1 200"));
    let said = rest(slow);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    let mut half = connect(running.address);
    let whole = search();
    half.write_all(&whole[..whole.len() - 10]).unwrap();
    let said = rest(half);
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("VR0907"), "{said}");
    running.stop.send(()).unwrap();
    running.thread.join().unwrap().unwrap();
}

#[test]
fn what_is_no_http_does_no_harm() {
    let running = start(Settings::default());
    for text in
        ["\r\n\r\n\0", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02", "GET http://[ HTTP/1.1\r\n\r\n"]
    {
        let mut stream = connect(running.address);
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let said = rest(stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{text:?}: {said}");
    }
    let long =
        format!("GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let mut stream = connect(running.address);
    let _ = stream.write_all(long.as_bytes());
    let said = rest(stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    let absolute = "GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(ask(running.address, absolute).contains("VR0903"));
    assert!(ask(running.address, "GET /health HTTP/1.0\r\n\r\n").contains("VR0903"));
    assert!(ask(running.address, HEALTH).starts_with("HTTP/1.1 200"));
    running.stop.send(()).unwrap();
    running.thread.join().unwrap().unwrap();
}

#[test]
fn no_address_for_others_without_a_token() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let service = service(Arc::default(), Settings::default());
    let said = serve(listener, service, std::future::pending()).unwrap_err().to_string();
    assert!(said.starts_with("VR0912"), "{said}");
}
