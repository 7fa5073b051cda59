//! What a service allows and how much it takes on.

use std::time::Duration;

use crate::Token;

/// What a service allows and how much it takes on. [`Settings::default`] is for a computer of one person: no token, so that it
/// answers on a loopback address only, and no image is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What a client must know; `None` by default. [`check_listen`](crate::check_listen) asks for one on any other address than
    /// a loopback one.
    pub token: Option<Token>,
    /// Whether the images of new entries are kept; `false` by default.
    pub keep_images: bool,
    /// The longest image, in bytes; 16 MiB by default.
    pub max_part: usize,
    /// The most images of one request; 64 by default.
    pub max_parts: usize,
    /// The longest body of one request, in bytes; 64 MiB by default.
    pub max_body: usize,
    /// The most bytes of images of all requests together that are in memory at once; 512 MiB by default.
    pub max_memory: usize,
    /// Requests that are worked on at once; 64 by default. Further ones are answered 503 at once.
    pub at_once: usize,
    /// Images that can wait for the network; 256 by default. A request with more than there is room for is answered 503.
    pub queue: usize,
    /// Calls of the store at once; 4 by default. Further ones wait, within the time of their request.
    pub store_calls: usize,
    /// Open connections; 512 by default. Further ones wait to be accepted.
    pub connections: usize,
    /// Time of one request from its header to its answer; 30 s by default. Grouping the gallery has no such limit.
    pub timeout: Duration,
    /// Time that requests under way are given when the service is stopped; 10 s by default.
    pub grace: Duration,
    /// The most entries that a search can rank again; 10 000 by default. The time grows with the square of their number.
    pub max_rerank: usize,
    /// The most entries that are grouped as people; 200 000 by default, which takes minutes and some 100 bytes for each of an entry's neighbours.
    pub max_group: usize,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            token: None,
            keep_images: false,
            max_part: 16 * MIB,
            max_parts: 64,
            max_body: 64 * MIB,
            max_memory: 512 * MIB,
            at_once: 64,
            queue: 256,
            store_calls: 4,
            connections: 512,
            timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            max_rerank: 10_000,
            max_group: 200_000,
        }
    }
}
