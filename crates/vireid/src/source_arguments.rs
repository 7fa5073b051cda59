//! Where images come from, on a command line.

use std::path::{Path, PathBuf};

use vireid_methods::{MethodError, RunDir};

use crate::{DEFAULT_WORLD, DataKind, DataSource, ProgramError};

/// Where images come from, on a command line. What it does not say, a run directory or a default does.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SourceArguments {
    /// Data: a folder, or a manifest [default: those of the run, else a synthetic world]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Kind of data [default: detected]
    #[arg(long)]
    pub dataset: Option<DataKind>,
    /// Which of RegDB's ten trials [default: that of the run, else 1]
    #[arg(long)]
    pub trial: Option<u32>,
    /// Seed of the synthetic world [default: that of the run, else the median of ten]
    #[arg(long)]
    pub world_seed: Option<u64>,
}

impl SourceArguments {
    /// The source that they name, or the default one.
    ///
    /// # Errors
    ///
    /// `VR0111` when the kind of data set there can't be recognised, `VR0606` for a kind without a place.
    pub fn source(&self) -> Result<DataSource, ProgramError> {
        if let (None, Some(kind)) = (&self.data, self.dataset)
            && !kind.is_world()
        {
            return Err(ProgramError::Usage(format!("--data must say where {} is", kind.title())));
        }
        let mut source =
            DataSource::new(self.data.as_deref(), self.dataset, self.world_seed.unwrap_or(DEFAULT_WORLD), false)?;
        source.trial = self.trial.unwrap_or(source.trial);
        Ok(source)
    }

    /// The source that a run was trained on, with what they name in its place.
    ///
    /// # Errors
    ///
    /// As [`source`](Self::source), where the run does not know its data; `VR0510` when neither they nor the run say which, or
    /// what the run says is damaged.
    pub fn of_run(&self, run: &Path) -> Result<DataSource, ProgramError> {
        let is_named = self.data.is_some() || self.dataset.is_some() || self.world_seed.is_some();
        let Some(recorded) = DataSource::of_run(run)? else {
            // Not the default world: nobody chose it.
            if !is_named && RunDir::open(run).is_ok() {
                let run = run.display();
                let message = format!("the run in {run} does not say which data it was trained on; name them");
                return Err(MethodError::RunDir(message).into());
            }
            return self.source();
        };
        let mut source = match &self.data {
            // Data that were moved are of the same kind.
            Some(path) => match self.dataset.or_else(|| DataKind::guess(path)) {
                None if recorded.kind.is_world() => self.source()?,
                kind => DataSource { kind: kind.unwrap_or(recorded.kind), path: path.clone(), ..recorded.clone() },
            },
            None => {
                let is_recorded = self.dataset.is_none_or(|kind| kind == recorded.kind)
                    && self.world_seed.is_none_or(|seed| seed == recorded.world_seed);
                if is_recorded { recorded.clone() } else { self.source()? }
            }
        };
        source.trial = self.trial.unwrap_or(recorded.trial);
        Ok(source)
    }

    /// What they say, as words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let kind = self.dataset.map(|kind| kind.name().to_string());
        let named = [
            ("--data", self.data.as_ref().map(|path| path.display().to_string())),
            ("--dataset", kind),
            ("--trial", self.trial.map(|trial| trial.to_string())),
            ("--world-seed", self.world_seed.map(|seed| seed.to_string())),
        ];
        named.into_iter().filter_map(|(name, value)| Some([name.to_string(), value?])).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(source: &DataSource) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let config = vireid_methods::preset("mbccm_sysu_quick", &[]).unwrap();
        source.record(&RunDir::create(folder.path(), &config, &"").unwrap(), true).unwrap();
        folder
    }

    /// Without `--data` a run was gone on with on the default world.
    #[test]
    fn a_run_knows_its_data() {
        let regdb = DataSource {
            kind: DataKind::named("regdb").unwrap(),
            path: "/data/RegDB".into(),
            trial: 7,
            world_seed: 0,
            full_world: false,
            unpaired: 0.25,
        };
        let run = run_of(&regdb);
        let given = SourceArguments::default();
        assert_eq!(given.of_run(run.path()).unwrap(), regdb);
        assert!(DataSource::is_skipping(run.path()).unwrap());
        let other = SourceArguments { trial: Some(2), ..given.clone() };
        assert_eq!(other.of_run(run.path()).unwrap(), DataSource { trial: 2, ..regdb.clone() });
        let moved = SourceArguments { data: Some("/elsewhere".into()), ..given.clone() };
        assert_eq!(moved.of_run(run.path()).unwrap(), DataSource { path: "/elsewhere".into(), ..regdb.clone() });
        let world = SourceArguments { dataset: DataKind::named("synthetic"), ..given.clone() };
        let world = world.of_run(run.path()).unwrap();
        assert_eq!(
            (world.kind, world.path.ends_with(format!("synthetic/sysu-{DEFAULT_WORLD}"))),
            (DataKind::named("synthetic").unwrap(), true)
        );
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(given.of_run(nothing.path()).unwrap().kind, DataKind::named("synthetic").unwrap(), "no run");
    }

    /// A run whose record of its data was damaged or lost was scored on the default world.
    #[test]
    fn a_run_that_does_not_say_its_data_has_not_the_default_world() {
        let source = DataSource::new(Some(Path::new("crops")), DataKind::named("folder"), 0, false).unwrap();
        let run = run_of(&source);
        let given = SourceArguments::default();
        let record = run.path().join("data.json");
        std::fs::write(&record, r#"{"kind": "fol"#).unwrap();
        let said = given.of_run(run.path()).unwrap_err().to_string();
        assert!(said.starts_with("VR0510") && said.contains("data.json is damaged"), "{said}");
        std::fs::remove_file(&record).unwrap();
        let said = given.of_run(run.path()).unwrap_err().to_string();
        assert!(said.starts_with("VR0510") && said.contains("name them"), "{said}");
        let named = SourceArguments { dataset: DataKind::named("synthetic"), ..given };
        assert_eq!(named.of_run(run.path()).unwrap().kind, DataKind::named("synthetic").unwrap());
    }

    #[test]
    fn a_relative_place_is_found_from_everywhere() {
        let source = DataSource::new(Some(Path::new("crops")), DataKind::named("folder"), 0, false).unwrap();
        let run = run_of(&source);
        assert_eq!(
            DataSource::of_run(run.path()).unwrap().unwrap().path,
            std::env::current_dir().unwrap().join("crops")
        );
    }

    #[test]
    fn a_typing_error_draws_no_world() {
        let run = run_of(&DataSource::new(None, None, 3, false).unwrap());
        let given = SourceArguments { data: Some("no/such/place".into()), ..SourceArguments::default() };
        assert!(given.of_run(run.path()).unwrap_err().to_string().starts_with("VR0101"));
        let without_place = SourceArguments { dataset: DataKind::named("regdb"), ..SourceArguments::default() };
        assert!(without_place.source().unwrap_err().to_string().contains("--data must say where RegDB is"));
    }
}
