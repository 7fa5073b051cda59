//! `vireid serve`.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use vireid::ProgramError;
use vireid::calibration::Calibration;
use vireid_core::Modality;
use vireid_methods::{TrainedNetwork, parse_devices};
use vireid_serve::{Embedded, Embedder, EmbedderFailed, Service, Settings, Token, Verdict, Verdicts, check_listen};

use crate::calibrate::usable_calibration;
use crate::gallery::{model_of, open_or_create};
use crate::model::NetworkArguments;
use crate::network_embedder::embed_files;
use crate::output::Output;
use crate::token::TOKEN_VARIABLE;

const MIB: usize = 1 << 20;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// The gallery: a folder, made where there is none, or the address of an engine
    #[arg(long)]
    gallery: String,
    /// Address to listen on. Any but this machine's own needs a token
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// File with the token that requests must bring [default: what the variable VIREID_SERVE_TOKEN holds]
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Keep the images that are added, so that answers can be seen; settled when the gallery is made
    #[arg(long)]
    keep_images: bool,
    /// The largest image, in MiB
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1024))]
    largest_image: u64,
    /// How many images may wait for the network; beyond, the service says that it is busy
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(64..=100_000))]
    queue: u64,
    /// How many requests are worked on at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    at_once: u64,
    /// Seconds after which a request is given up
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Device, or several separated by commas
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// An address to listen on; of a name, the first that it has.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| format!("'{text}' is not an address such as 127.0.0.1:8080: {error}"))?;
    found.next().ok_or_else(|| format!("'{text}' has no address"))
}

/// The network of a run as what the service embeds with.
struct OfRun {
    // What is in it can't be used by two threads.
    network: Mutex<TrainedNetwork>,
    batch: usize,
}

impl Embedder for OfRun {
    fn embed(&self, images: &[Vec<u8>], modality: Modality) -> Result<Vec<Embedded>, EmbedderFailed> {
        // A panic in the network leaves nothing half done that a later pass reads.
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        embed_files(&network, images, modality).map_err(|error| EmbedderFailed(error.to_string()))
    }

    fn batch(&self) -> usize {
        self.batch
    }
}

/// A calibration as what the service says of similarities.
struct Calibrated(Calibration);

impl Verdicts for Calibrated {
    fn verdict(&self, similarity: f32) -> Verdict {
        let similarity = f64::from(similarity);
        Verdict { probability: self.0.probability(similarity), same: similarity >= self.0.threshold }
    }

    fn threshold(&self) -> f64 {
        self.0.threshold
    }
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let token = match &arguments.token_file {
        Some(path) => Some(Token::from_file(path)?),
        None if std::env::var_os(TOKEN_VARIABLE).is_some() => Some(Token::from_variable(TOKEN_VARIABLE)?),
        None => None,
    };
    check_listen(arguments.listen, &token)?;
    let cant_listen =
        |source| ProgramError::Io { action: "can't listen on", path: arguments.listen.to_string().into(), source };
    let listener = TcpListener::bind(arguments.listen).map_err(cant_listen)?;
    let address = listener.local_addr().map_err(cant_listen)?;
    let trained = arguments.network.open(parse_devices(&arguments.device)?)?;
    let store = open_or_create(&arguments.gallery, &model_of(&trained), arguments.keep_images)?;
    let count = store.count()?;
    let verdicts = usable_calibration(&arguments.network, &trained, output)?;
    let keep_images = store.keeps().images;
    let (usual, largest) = (Settings::default(), arguments.largest_image as usize * MIB);
    let service = Service {
        store: Arc::from(store),
        verdicts: verdicts.map(|calibration| Arc::new(Calibrated(calibration)) as Arc<dyn Verdicts>),
        embedder: Arc::new(OfRun { batch: trained.config().extraction.batch, network: Mutex::new(trained) }),
        settings: Settings {
            token,
            keep_images,
            max_part: largest,
            // Room for the largest image, whatever that is.
            max_body: usual.max_body.max(largest + MIB),
            max_memory: usual.max_memory.max(8 * largest),
            queue: arguments.queue as usize,
            at_once: arguments.at_once as usize,
            timeout: Duration::from_secs(arguments.timeout),
            ..usual
        },
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stop = Mutex::new(Some(stop));
    // Without a handler Ctrl-C ends the program at once; what was added is safe all the same.
    let _ = ctrlc::set_handler(move || {
        // A second Ctrl-C has nothing more to say.
        let _ = stop.lock().unwrap_or_else(PoisonError::into_inner).take().map(|stop| stop.send(()));
    });
    output.say(&format!(
        "{} visible and {} infrared entries; the page: http://{address}/ (Ctrl-C ends it)",
        count.visible, count.infrared
    ));
    vireid_serve::serve(listener, service, async {
        let _ = stopped.await;
    })?;
    output.say("stopped");
    Ok(())
}
