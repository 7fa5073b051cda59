//! Which files an output may take the place of.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ProgramError;
use crate::{contact_sheet, embeddings_file, graph_file, labels_file};

/// What kind of file is to be written; each is recognised by its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Embeddings: a `.npy` with its two companions, or a `.parquet`.
    Embeddings,
    /// The table of `vireid cluster`.
    Clusters,
    /// The vector of labels of `vireid cluster --embeddings`.
    Labels,
    /// The matrix of distances of `vireid cluster --embeddings`.
    Graph,
    /// A PNG of images side by side.
    ContactSheet,
    /// The page of `vireid report`.
    Report,
    /// What `vireid calibrate` keeps with a network.
    Calibration,
    /// A network that was exported: ONNX or safetensors.
    Export,
    /// The JSON of a task of the project.
    TaskReport,
    /// The small network's starting weights.
    Weights,
}

/// The first line of the table of clusters.
pub const CLUSTERS_HEADER: &str = "path,modality,cluster,partners";
/// The end of a report's title.
pub const REPORT_TITLE: &str = ": vireid report</title>";
/// Bytes of a file that are looked at to know it by its beginning.
const BEGINNING: usize = 1 << 16;

impl OutputKind {
    fn title(self) -> &'static str {
        match self {
            OutputKind::Embeddings => "embeddings",
            OutputKind::Clusters => "a table of clusters",
            OutputKind::Labels => "a vector of labels",
            OutputKind::Graph => "a graph of distances",
            OutputKind::ContactSheet => "a contact sheet",
            OutputKind::Report => "a report",
            OutputKind::Calibration => "a calibration",
            OutputKind::Export => "an exported network",
            OutputKind::TaskReport => "a report of this project's tasks",
            OutputKind::Weights => "a file of pretrained weights",
        }
    }

    /// Whether an existing file was written as this kind before.
    fn wrote(self, path: &Path) -> bool {
        let json = || serde_json::from_slice::<Value>(&fs::read(path).unwrap_or_default()).unwrap_or_default();
        match self {
            OutputKind::Embeddings => embeddings_file::is_part(path),
            OutputKind::Clusters => beginning(path).lines().next() == Some(CLUSTERS_HEADER),
            OutputKind::Labels => labels_file::is_labels(path),
            OutputKind::Graph => graph_file::is_graph(path),
            OutputKind::ContactSheet => contact_sheet::is_sheet(path),
            OutputKind::Report => beginning(path).contains(REPORT_TITLE),
            OutputKind::Calibration => ["model", "far", "threshold"].iter().all(|key| json().get(key).is_some()),
            // Who wrote an ONNX file stands at its beginning; the header of a safetensors file has our keys.
            OutputKind::Export => {
                let beginning = beginning(path);
                beginning.get(4..10) == Some("vireid") || beginning.contains("\"vireid.weights\":")
            }
            OutputKind::TaskReport => {
                let report = json();
                let is_line = |line: &Value| line.get("images_per_second").is_some();
                report["command"].as_str().is_some_and(|command| command.starts_with("cargo xtask "))
                    || report.as_array().is_some_and(|lines| !lines.is_empty() && lines.iter().all(is_line))
            }
            // The header of a safetensors file, behind its length.
            OutputKind::Weights => beginning(path).contains("\"__metadata__\":{\"recipe\":"),
        }
    }
}

fn beginning(path: &Path) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGINNING as u64).read_to_end(&mut bytes));
    if read.is_err() { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() }
}

/// Whether outputs may take the place of files that this program did not write, or reads.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Overwriting {
    /// Write over files that this command reads, or that it did not write before
    #[arg(long)]
    pub force: bool,
}

impl Overwriting {
    /// Refuses an output that would destroy something: one of the files that are `read`, or a file that an earlier call did
    /// not write. To be asked before the work begins.
    ///
    /// # Errors
    ///
    /// `VR0625`, `VR0626`.
    pub fn check(self, out: &Path, kind: OutputKind, read: &[PathBuf]) -> Result<(), ProgramError> {
        let written = match kind {
            OutputKind::Embeddings => embeddings_file::parts(out),
            _ => vec![out.to_path_buf()],
        };
        if self.force {
            return Ok(());
        }
        for path in &written {
            if let Some(input) = read.iter().find(|input| is_same(input, path)) {
                return Err(ProgramError::OverInput { path: path.clone(), input: input.clone() });
            }
            // A device or a pipe has nothing to lose.
            let is_at_stake = fs::metadata(path).is_ok_and(|entry| entry.is_file() || entry.is_dir());
            if is_at_stake && !kind.wrote(path) {
                return Err(ProgramError::OverForeign { path: path.clone(), kind: kind.title() });
            }
        }
        Ok(())
    }
}

/// Whether two paths lead to one file, which need not exist yet.
fn is_same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
    };
    same_file::is_same_file(a, b).unwrap_or_else(|_| place(a).is_some_and(|a| place(b) == Some(a)))
}

/// A file that is written, but not under its name yet.
pub(crate) struct Prepared {
    target: PathBuf,
    /// `None` for a device or a pipe, to which nothing can be renamed.
    temporary: Option<PathBuf>,
}

impl Prepared {
    /// Writes a file under a temporary name next to it, in a folder that is made if it is missing.
    ///
    /// # Errors
    ///
    /// `VR0605`.
    pub(crate) fn write(
        path: &Path,
        write: impl FnOnce(File) -> Result<(), std::io::Error>,
    ) -> Result<Self, ProgramError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(ProgramError::io("can't make folder", folder))?;
        }
        // Through a link to what it leads to.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if fs::metadata(&target).is_ok_and(|entry| !entry.is_file()) {
            let written = File::options().write(true).open(&target).and_then(write);
            written.map_err(ProgramError::io("can't write", path))?;
            return Ok(Self { target, temporary: None });
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::options().write(true).create_new(true).open(&temporary);
        let file = file.map_err(ProgramError::io("can't write", path))?;
        let prepared = Self { target, temporary: Some(temporary) };
        write(file).map_err(ProgramError::io("can't write", path))?;
        Ok(prepared)
    }

    /// Gives it its name.
    ///
    /// # Errors
    ///
    /// `VR0605`.
    pub(crate) fn rename(mut self) -> Result<(), ProgramError> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.target).map_err(ProgramError::io("can't write", &self.target))?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Writes a file so that there is never half of one under its name.
///
/// # Errors
///
/// `VR0605`.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(File) -> Result<(), std::io::Error>,
) -> Result<(), ProgramError> {
    Prepared::write(path, write)?.rename()
}

/// Writes some files so that either all of them are there or none is new: none gets its name before all are written.
///
/// # Errors
///
/// `VR0605`.
pub(crate) fn write_all<'a>(files: impl IntoIterator<Item = (&'a Path, &'a [u8])>) -> Result<(), ProgramError> {
    let write =
        |(path, bytes): (&Path, &[u8])| Prepared::write(path, |mut file| std::io::Write::write_all(&mut file, bytes));
    let prepared = files.into_iter().map(write).collect::<Result<Vec<Prepared>, ProgramError>>()?;
    prepared.into_iter().try_for_each(Prepared::rename)
}

/// Writes some bytes so that there is never half of them under the file's name.
///
/// # Errors
///
/// `VR0605`.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), ProgramError> {
    write_whole(path, |mut file| std::io::Write::write_all(&mut file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(out: &Path, kind: OutputKind, read: &[PathBuf]) -> String {
        let forced = Overwriting { force: true }.check(out, kind, read);
        assert!(forced.is_ok(), "{forced:?}");
        Overwriting::default().check(out, kind, read).map_or_else(|error| error.to_string()[..6].into(), |()| "".into())
    }

    /// `--sheet q.png` replaced the query, `--out config.toml` the run.
    #[test]
    fn files_of_others_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        use OutputKind::{Clusters, ContactSheet, Graph, Labels, Report, TaskReport};
        for kind in [Clusters, Labels, Graph, ContactSheet, Report, TaskReport] {
            assert_eq!(code(&out, kind, &[]), "");
            fs::write(&out, "mine").unwrap();
            assert_eq!(code(&out, kind, &[]), "VR0626", "{kind:?}");
            fs::remove_file(&out).unwrap();
        }
        fs::write(&out, format!("{CLUSTERS_HEADER}\na.png,visible,0,\n")).unwrap();
        assert_eq!(code(&out, Clusters, &[]), "");
        assert_eq!(code(folder.path(), Clusters, &[]), "VR0626", "a folder");
    }

    /// The manifest that was read went under with `--out` of its own name.
    #[test]
    fn no_output_takes_the_place_of_an_input_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("gallery.csv"), "path,modality,camera\n").unwrap();
        let read = [at("gallery.csv")];
        for out in [at("gallery.npy"), at("./gallery.npy"), at("sub/../gallery.npy")] {
            assert_eq!(code(&out, OutputKind::Embeddings, &read), "VR0625", "{}", out.display());
        }
        assert_eq!(code(&at("other.npy"), OutputKind::Embeddings, &read), "");
        fs::hard_link(at("gallery.csv"), at("linked.csv")).unwrap();
        assert_eq!(code(&at("linked.npy"), OutputKind::Embeddings, &read), "VR0625");
        // Not there yet, and read from then on.
        assert_eq!(code(&at("manifest.npy"), OutputKind::Embeddings, &[at("manifest.csv")]), "VR0625");
        let clusters = at("clusters.csv");
        fs::write(&clusters, CLUSTERS_HEADER).unwrap();
        assert_eq!(
            code(&clusters, OutputKind::Clusters, std::slice::from_ref(&clusters)),
            "VR0625",
            "its own, and read"
        );
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/out.csv");
        write_bytes(&path, b"whole").unwrap();
        let failed = write_whole(&path, |mut file| {
            std::io::Write::write_all(&mut file, b"half")?;
            Err(std::io::ErrorKind::StorageFull.into())
        });
        assert!(failed.unwrap_err().to_string().starts_with("VR0605"));
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    /// The first of two stayed when the second could not be written.
    #[test]
    fn of_several_files_all_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
        write_all([(&*first, &b"1"[..]), (&*second, b"2")]).unwrap();
        assert_eq!([fs::read(&first).unwrap(), fs::read(&second).unwrap()], [b"1", b"2"]);
        // No file can be written where a folder is.
        fs::remove_file(&second).unwrap();
        fs::create_dir(&second).unwrap();
        let failed = write_all([(&*first, &b"new"[..]), (&*second, b"new")]);
        assert!(failed.unwrap_err().to_string().starts_with("VR0605"));
        assert_eq!(fs::read(&first).unwrap(), b"1");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write_bytes(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_bytes(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(code(Path::new("/dev/null"), OutputKind::Clusters, &[]), "");
        write_bytes(Path::new("/dev/null"), b"gone").unwrap();
    }
}
