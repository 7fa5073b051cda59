//! Lending devices to other hosts.

use vireid_methods::Devices;

use crate::ProgramError;

/// Lends devices to other hosts, which name them `ws://<this host>:<port>`, until Ctrl-C.
///
/// `listen` is an address to listen on, such as `127.0.0.1:3000`. Clients must know `token`. Nothing is encrypted, so a network
/// that is not trusted needs a tunnel. All devices must be the CPU, or all cards.
///
/// # Errors
///
/// `VR0606` for an empty token, or a build without the feature `remote`; `VR0605` when the address can't be listened on.
#[cfg(feature = "remote")]
pub fn lend_devices(devices: &Devices, listen: &str, token: &str) -> Result<(), ProgramError> {
    use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
    let failed = |source| ProgramError::Io { action: "can't lend devices on", path: listen.into(), source };
    let authorizer = TokenAuthorizer::new(token)
        .map_err(|_| ProgramError::Usage("the variable VIREID_TOKEN must hold a word that clients know too".into()))?;
    let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
    let server = RemoteServer::new(devices.iter().cloned()).with_authorizer(authorizer);
    server.serve(WebSocketTransport::from_listener(listener)).map_err(|error| failed(std::io::Error::other(error)))
}

/// See the same of a build with the feature `remote`.
///
/// # Errors
///
/// `VR0606`.
#[cfg(not(feature = "remote"))]
pub fn lend_devices(_devices: &Devices, _listen: &str, _token: &str) -> Result<(), ProgramError> {
    Err(ProgramError::Usage("this build can't lend devices; build with --features remote".into()))
}
