//! Why a service can't be started, or ended: codes VR09xx.

use std::net::SocketAddr;

use vireid_core::Coded;

/// Why a service can't be started, or ended. What a single request can meet with is answered to its client and is no error here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could reach the service, and it has no token.
    #[error("VR0912: {address} can be reached from other computers; set a token, or listen on 127.0.0.1")]
    NeedsToken {
        /// The address that was to be listened on.
        address: SocketAddr,
    },
    /// A token can't be used.
    #[error("VR0913: the token of {origin} can't be used: {reason}")]
    BadToken {
        /// The file or the environment variable that it was to be read from; never the token itself.
        origin: String,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
    /// The system refused what a server needs: a thread, or its socket.
    #[error("VR0914: the service can't run: {reason}")]
    System {
        /// What the system said.
        reason: String,
    },
}

impl Coded for ServeError {}
