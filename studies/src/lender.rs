//! A process that lends a device over a socket of this machine, as another host would.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// How long it may take to open the device.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that lends a device. It is ended when this value is dropped.
pub struct Lender {
    process: Child,
    /// The name by which the lent device is opened: `ws://host:port`.
    pub device: String,
}

impl Lender {
    /// Starts a process that lends `device`, and waits until it listens, two minutes at most.
    pub fn start(device: &str) -> Result<Self, Failure> {
        // The system picks a free port; that another process takes it in between is unlikely and shows as an error.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["lend", "--device", device, "--listen", &address]).stdout(Stdio::null());
        let mut lender = Self { process: command.spawn()?, device: format!("ws://{address}") };
        let clock = Instant::now();
        while TcpStream::connect(&address).is_err() {
            if clock.elapsed() > PATIENCE || lender.process.try_wait()?.is_some() {
                return Err(format!("{device} is not lent on {address}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(lender)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
