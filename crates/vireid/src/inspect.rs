//! `vireid methods` and `vireid config`.

use clap::{Args, Subcommand};
use vireid::ProgramError;
use vireid_methods::method::Part;
use vireid_methods::{RunConfig, available_devices, missing_features, preset_layers, presets, registry};

use crate::output::{Output, print, table};

#[derive(Debug, Subcommand)]
pub enum Methods {
    /// Every method with its stages
    List,
    /// One method, part by part, stage by stage
    Show {
        /// A preset, or a method (its `sysu_paper` preset)
        name: String,
        /// Override a setting
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Where two methods differ
    Diff {
        /// A preset, or a method
        left: String,
        /// Another
        right: String,
    },
}

#[derive(Debug, Args)]
pub struct Config {
    /// A preset; without it, the names of all
    preset: Option<String>,
    /// One table of the result, with these settings, instead of the commented files that it is made of
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub fn methods(what: Option<&Methods>, output: Output) -> Result<(), ProgramError> {
    match what.unwrap_or(&Methods::List) {
        Methods::List => {
            let mut all = Vec::new();
            for name in registry::methods() {
                let method = registry::build(&config_of(name, &[])?)?;
                let stages: Vec<&str> = method.stages().iter().map(|stage| stage.name).collect();
                all.push((name, stages));
            }
            output.result(&all, || {
                table(
                    &["method", "stages"],
                    all.iter().map(|(name, stages)| vec![name.to_string(), stages.join(", ")]),
                    2,
                )
            })
        }
        Methods::Show { name, overrides } => {
            let parts = parts(name, overrides)?;
            let rows: Vec<[String; 3]> = parts.iter().map(columns).collect();
            output.result(&rows, || table(&["stage", "part", "what"], rows.iter().map(|row| row.to_vec()), 3))
        }
        Methods::Diff { left, right } => {
            let rows = difference(parts(left, &[])?, parts(right, &[])?);
            output.result(&rows, || table(&["stage", "part", left, right], rows.iter().map(|row| row.to_vec()), 4))
        }
    }
}

fn columns(part: &Part) -> [String; 3] {
    [part.stage.to_string(), part.part.to_string(), part.what.to_string()]
}

/// Parts that differ, side by side.
fn difference(mut left: Vec<Part>, right: Vec<Part>) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for part in &right {
        let same = |other: &Part| other.stage == part.stage && other.part == part.part;
        let before = left.iter().position(same).map(|at| left.remove(at));
        let what = before.as_ref().map_or_else(|| "-".to_string(), |before| before.what.to_string());
        if before.is_none_or(|before| before.what != part.what) {
            rows.push([part.stage.to_string(), part.part.to_string(), what, part.what.to_string()]);
        }
    }
    rows.extend(left.iter().map(|part| {
        let [stage, name, what] = columns(part);
        [stage, name, what, "-".into()]
    }));
    rows
}

fn config_of(name: &str, overrides: &[String]) -> Result<RunConfig, ProgramError> {
    let is_method = registry::methods().any(|known| known == name);
    let preset = match is_method {
        // A method of your own may have one size only.
        true => presets().find(|preset| preset.starts_with(&format!("{name}_"))).unwrap_or_else(|| name.into()),
        false => name.into(),
    };
    Ok(vireid_methods::preset(&preset, overrides)?)
}

fn parts(name: &str, overrides: &[String]) -> Result<Vec<Part>, ProgramError> {
    let config = config_of(name, overrides)?;
    let method = registry::build(&config)?;
    let mut parts = method.composition();
    parts.extend(method.notes().into_iter().map(|note| Part::new("all", "note", note)));
    Ok(parts)
}

pub fn config(arguments: &Config, output: Output) -> Result<(), ProgramError> {
    match &arguments.preset {
        None => {
            let names: Vec<String> = presets().collect();
            output.result(&names, || names.join("\n"))
        }
        Some(name) if arguments.overrides.is_empty() && !output.json => {
            let layers = preset_layers(name)?;
            print(&layers.iter().map(|(layer, text)| format!("# ==== {layer}\n{text}\n")).collect::<String>())
        }
        Some(name) => {
            let config = vireid_methods::preset(name, &arguments.overrides)?;
            // Its method reads the rest of it, and refuses what it does not know.
            registry::build(&config)?;
            output.result(&config, || config.to_toml().trim_end().to_string())
        }
    }
}

pub fn devices(output: Output) -> Result<(), ProgramError> {
    let entries = available_devices();
    for feature in missing_features() {
        output.say(&format!("this build has no {feature}; build with --features {feature}"));
    }
    let rows: Vec<[String; 2]> = entries.iter().map(|entry| [entry.name.clone(), entry.description.clone()]).collect();
    output.result(&rows, || table(&["device", "what it is"], rows.iter().map(|row| row.to_vec()), 2))
}
