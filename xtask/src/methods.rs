//! What the methods are made of, and how two of them differ.

use clap::Subcommand;
use vireid_methods::method::Part;
use vireid_methods::{RunConfig, registry};

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

type Failure = Box<dyn std::error::Error>;

pub fn run(what: &Methods) -> Result<(), Failure> {
    match what {
        Methods::List => {
            for name in registry::methods() {
                let method = registry::build(&config(name, &[])?)?;
                let stages: Vec<&str> = method.stages().iter().map(|stage| stage.name).collect();
                println!("{name:<8} {}", stages.join(", "));
            }
        }
        Methods::Show { name, overrides } => parts(name, overrides)?.iter().for_each(|part| println!("{}", line(part))),
        Methods::Diff { left, right } => {
            let (mut of_left, of_right) = (parts(left, &[])?, parts(right, &[])?);
            let same = |a: &Part, b: &Part| a.stage == b.stage && a.part == b.part;
            println!("- {left}\n+ {right}");
            for part in &of_right {
                let before = of_left.iter().position(|other| same(other, part)).map(|index| of_left.remove(index));
                match before {
                    Some(before) if before.what == part.what => println!("  {}", line(part)),
                    Some(before) => println!("- {}\n+ {}", line(&before), line(part)),
                    None => println!("+ {}", line(part)),
                }
            }
            of_left.iter().for_each(|part| println!("- {}", line(part)));
        }
    }
    Ok(())
}

fn line(part: &Part) -> String {
    format!("{:<9} {:<26} {}", part.stage, part.part, part.what)
}

fn config(name: &str, overrides: &[String]) -> Result<RunConfig, Failure> {
    let preset =
        if registry::methods().any(|known| known == name) { format!("{name}_sysu_paper") } else { name.into() };
    Ok(RunConfig::from_preset(&preset, overrides)?)
}

fn parts(name: &str, overrides: &[String]) -> Result<Vec<Part>, Failure> {
    Ok(registry::build(&config(name, overrides)?)?.composition())
}
