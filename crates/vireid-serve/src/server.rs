//! Listening, serving, and ending in good order.

use std::future::Future;
use std::net::TcpListener as StdListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::service::LONG_CALLS;
use crate::{ServeError, Service, router};

/// Threads that read and write requests. The work is done on others: the network's, and those of the store.
const THREADS: usize = 2;
/// The longest header, in bytes.
const HEADER: usize = 64 << 10;
/// Time after an error of the system's, such as no more file descriptors, before it is tried again.
const RESPITE: Duration = Duration::from_millis(50);

/// Serves until `stop` is done: then no more connections are accepted, and what is under way is finished, for as long as
/// [`Settings::grace`](crate::Settings::grace). Blocks, on a Tokio runtime of its own; so it can't be called on a thread of
/// another.
///
/// Whether the address may be listened on without a token is [`check_listen`](crate::check_listen)'s to say, and is checked here
/// too.
///
/// # Errors
///
/// `VR0912` for an address that others can reach without a token, `VR0914` where the system refuses a thread or the socket.
pub fn serve(listener: StdListener, service: Service, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let system = |error: std::io::Error| ServeError::System { reason: error.to_string() };
    crate::check_listen(listener.local_addr().map_err(system)?, &service.settings.token)?;
    listener.set_nonblocking(true).map_err(system)?;
    let store_calls = service.settings.store_calls.max(1);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(THREADS).max_blocking_threads(store_calls + LONG_CALLS).thread_name("serve").enable_all();
    let runtime = builder.build().map_err(system)?;
    let (grace, timeout, connections) = (
        service.settings.grace,
        service.settings.timeout,
        service.settings.connections.clamp(1, Semaphore::MAX_PERMITS),
    );
    let router = router(service)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).map_err(system)?;
        accept(listener, router, connections, timeout, grace, stop).await;
        Ok(())
    })?;
    // A call of the store that goes on is not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn accept(
    listener: TcpListener,
    router: Router,
    connections: usize,
    timeout: Duration,
    grace: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let room = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(timeout).max_buf_size(HEADER);
    loop {
        let next = pin!(async {
            let permit = room.clone().acquire_owned().await;
            (listener.accept().await, permit)
        });
        let (accepted, permit) = match select(stop.as_mut(), next).await {
            Either::Left(_) => break,
            Either::Right((next, _)) => next,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(RESPITE).await;
                continue;
            }
        };
        // An answer in several small writes is not to wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        // A client that does not take its answer would keep its connection for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(timeout));
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            // An error is a client's that went away or spoke no HTTP.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(grace, graceful.shutdown()).await;
}
