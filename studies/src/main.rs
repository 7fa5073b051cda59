//! What trains and measures. `cargo xtask` passes these tasks on to here.

mod bench;
mod bench_build;
mod bench_check;
mod bench_checkpointing;
mod bench_clustering;
mod bench_launches;
mod bench_serve;
mod cuts;
mod device_tests;
mod dials;
mod expansions;
mod lender;
mod pretrain;
mod reproduce;
mod results;
mod shared_run;
mod steps;
mod supervised;
#[cfg(test)]
mod tests;
mod unlike;
mod worlds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vireid::{OutputKind, Overwriting};
use vireid_backbone::Precision;

use crate::bench::Variation;
use crate::bench_serve::Load;

#[derive(Parser)]
#[command(name = "studies", bin_name = "cargo xtask", about = "Tasks of the project that train or measure")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
    /// Write over a file that no task wrote
    #[arg(long, global = true)]
    force: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Run every golden case and print its largest error
    Parity {
        /// Folder of the cases; default: $VIREID_GOLDEN_DIR, else the repository's own
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Make the small network's starting weights again
    Pretrain {
        /// File to write the weights to
        #[arg(long, default_value = "crates/vireid-backbone/weights/small.safetensors")]
        out: PathBuf,
        /// Share of the steps to run, for a trial
        #[arg(long, default_value_t = 1.0)]
        share: f64,
    },
    /// Time training steps, loading, clustering and building
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Measure methods on synthetic worlds against their yardsticks
    Worlds(worlds::Arguments),
    /// Measure what each dial of the synthetic world does before any training
    Dials(dials::Arguments),
    /// Compare query expansions by the joint clusters they give
    Expansions(expansions::Arguments),
    /// Compare clustering parameters chosen without labels with fixed ones, on worlds unlike one another
    Cuts(cuts::Arguments),
    /// Train every method on every data set that has no record yet, and set the results beside the papers'
    ReproduceTables(reproduce::Arguments),
    /// One training of the tables
    #[command(hide = true)]
    OneCell(reproduce::Cell),
    /// Lend a device, for the device tests
    #[command(hide = true)]
    Lend {
        /// Device to lend
        #[arg(long)]
        device: String,
        /// Address to listen on, as `host:port`
        #[arg(long)]
        listen: String,
    },
    /// Compare a device with the CPU: golden cases, training steps, and a run that it shares with itself and with the CPU
    DeviceTests {
        /// Device: `cpu`, `wgpu[:n]`, `vulkan[:n]`, `cuda[:n]` or `auto`
        #[arg(long, default_value = "auto")]
        device: String,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Forward, backward and whole MBCCM steps of the small network and ResNet-50
    Train {
        /// A Python with PyTorch, to measure the same work beside ours
        #[arg(long)]
        python: Option<String>,
        /// Processes per measurement; the best counts
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// Device to measure on; PyTorch is measured on the same where it knows it
        #[arg(long, default_value = "cpu")]
        device: String,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// JPEG files to embeddings of the small network
    Load {
        /// A Python with PyTorch and Pillow, to measure the same work beside ours
        #[arg(long)]
        python: Option<String>,
        /// Processes per measurement; the best counts
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Training steps that keep their activations beside steps that recompute them
    Checkpointing {
        /// Processes per measurement; the best counts
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// Device to measure on
        #[arg(long, default_value = "cpu")]
        device: String,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// A service under load for minutes, and killed
    Serve {
        /// The program `vireid`
        #[arg(long, default_value = "target/release/vireid")]
        program: PathBuf,
        /// The load generator oha (cargo install oha)
        #[arg(long, default_value = "oha")]
        oha: PathBuf,
        /// Entries that are there at first
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..))]
        rows: u32,
        /// How long it lasts
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Crops that come in each second
        #[arg(long, default_value_t = 20)]
        arrivals: u32,
        /// Address of an engine to search the same rows in, empty; may be given several times
        #[arg(long)]
        beside: Vec<String>,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Kernels that a training step launches on a graphics card
    Launches {
        /// Device to measure on
        #[arg(long, default_value = "wgpu")]
        device: String,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Time and memory of building the program from nothing
    Build {
        /// Sets of features; features of one set are joined by `+`
        #[arg(value_delimiter = ',', default_value = "default,wgpu")]
        sets: Vec<String>,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Checking the workspace after an edit
    Check {
        /// Files to touch, one after another
        #[arg(
            value_delimiter = ',',
            default_value = "crates/vireid-methods/src/mbccm/mod.rs,crates/vireid-train/src/engine.rs,\
                crates/vireid-data/src/loader.rs,crates/vireid/src/search.rs"
        )]
        files: Vec<PathBuf>,
        /// File to write
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// The clustering engine at the size of SYSU-MM01 and beyond
    Clustering {
        /// Which works; `100k`, `million` and the same with `-hnsw` (approximate; long) only when named
        #[arg(value_delimiter = ',', default_value = "neighbours,visible,infrared,joint,transfer")]
        works: Vec<String>,
        /// File to write the results to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// One measurement of the clustering engine, as JSON
    #[command(hide = true)]
    OneClustering {
        /// Name of the work, such as `neighbours` or `visible`
        work: String,
        /// Share of the identities to take, above 0, up to 1
        share: f64,
    },
    /// Measurements in one process, a line of JSON each
    #[command(hide = true)]
    One {
        /// What to measure, as `<network>-<kind>`; several separated by commas
        works: String,
        /// Device to measure on
        #[arg(long, default_value = "cpu")]
        device: String,
        /// Images per pass or step, instead of the benchmark's own
        #[arg(long)]
        images: Option<usize>,
        /// Compute convolutions in bf16
        #[arg(long)]
        bf16: bool,
        /// Make this many steps and measure nothing
        #[arg(long)]
        steps: Option<usize>,
        /// Recompute activations instead of keeping them, in steps
        #[arg(long)]
        checkpointing: bool,
        /// How a graphics card computes convolutions: `stock`, `product`, `fastest`, ...
        #[arg(long)]
        convolution: Option<String>,
    },
}

fn main() -> ExitCode {
    let Arguments { task, force } = Arguments::parse();
    if let Some((out, kind)) = output(&task)
        && let Err(error) = (Overwriting { force }).check(out, kind, &[])
    {
        error.tell();
        return ExitCode::FAILURE;
    }
    // Not where memory is measured that a program without this setting would use.
    if !matches!(task, Task::Bench { what: Bench::OneClustering { .. } }) {
        vireid_kernels::keep_freed_memory();
    }
    let result = match task {
        Task::ReproduceTables(arguments) => reproduce::run(&arguments),
        Task::OneCell(cell) => reproduce::one(&cell),
        task => run(task).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// The file that a task is asked to write.
fn output(task: &Task) -> Option<(&Path, OutputKind)> {
    let report = match task {
        Task::Pretrain { out, .. } => return Some((out, OutputKind::Weights)),
        Task::Bench { what } => match what {
            Bench::Train { out, .. } | Bench::Load { out, .. } | Bench::Build { out, .. } => out.as_deref(),
            Bench::Clustering { out, .. } | Bench::Checkpointing { out, .. } | Bench::Launches { out, .. } => {
                out.as_deref()
            }
            Bench::Check { out, .. } | Bench::Serve { out, .. } => out.as_deref(),
            Bench::OneClustering { .. } | Bench::One { .. } => None,
        },
        Task::Worlds(arguments) => arguments.out.as_deref(),
        Task::Dials(arguments) => Some(arguments.out.as_path()),
        Task::Expansions(arguments) => Some(arguments.out.as_path()),
        Task::Cuts(arguments) => Some(arguments.out.as_path()),
        Task::DeviceTests { out, .. } => out.as_deref(),
        // They name no file: what they write has its place in the repository.
        Task::Parity { .. } | Task::ReproduceTables(_) | Task::OneCell(_) | Task::Lend { .. } => None,
    };
    report.map(|out| (out, OutputKind::TaskReport))
}

fn run(task: Task) -> Result<(), Box<dyn std::error::Error>> {
    match task {
        Task::Parity { dir } => vireid_tests::golden::run(&dir.unwrap_or_else(vireid_tests::golden::directory)),
        Task::Pretrain { out, share } => pretrain::run(&out, share),
        Task::Bench { what: Bench::Train { python, rounds, device, out } } => {
            bench::train(python.as_deref(), rounds, &device, out.as_deref())
        }
        Task::Bench { what: Bench::Load { python, rounds, out } } => {
            bench::load(python.as_deref(), rounds, out.as_deref())
        }
        Task::Bench { what: Bench::Checkpointing { rounds, device, out } } => {
            bench_checkpointing::run(rounds, &device, out.as_deref())
        }
        Task::Bench { what: Bench::Serve { program, oha, rows, minutes, arrivals, beside, out } } => {
            let rows = rows as usize;
            let load = Load { program: &program, oha: &oha, rows, minutes, arrivals, beside: &beside };
            bench_serve::run(&load, out.as_deref())
        }
        Task::Bench { what: Bench::Launches { device, out } } => bench_launches::run(&device, out.as_deref()),
        Task::Bench { what: Bench::Build { sets, out } } => bench_build::run(&sets, out.as_deref()),
        Task::Bench { what: Bench::Check { files, out } } => bench_check::run(&files, out.as_deref()),
        Task::Bench { what: Bench::Clustering { works, out } } => bench_clustering::run(&works, out.as_deref()),
        Task::Bench { what: Bench::OneClustering { work, share } } => bench_clustering::one(&work, share),
        Task::Bench { what: Bench::One { works, device, images, bf16, steps, checkpointing, convolution } } => {
            let precision = if bf16 { Precision::Bf16 } else { Precision::F32 };
            bench::one(&works, &device, &Variation { images, precision, steps, checkpointing }, convolution.as_deref())
        }
        Task::Worlds(arguments) => worlds::run(&arguments),
        Task::Dials(arguments) => dials::run(&arguments),
        Task::Expansions(arguments) => expansions::run(&arguments),
        Task::Cuts(arguments) => cuts::run(&arguments),
        Task::Lend { device, listen } => {
            let token = std::env::var("VIREID_TOKEN").unwrap_or_default();
            Ok(vireid::lend_devices(&vireid_methods::parse_devices(&device)?, &listen, &token)?)
        }
        Task::DeviceTests { device, out } => device_tests::run(&device, out.as_deref()),
        Task::ReproduceTables(_) | Task::OneCell(_) => Ok(()),
    }
}
