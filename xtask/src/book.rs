//! `cargo xtask book`: the pages under `docs/` as a site that can be searched, by mdBook; and whether its links lead anywhere. A
//! page's link to a file outside `docs/` is right in the repository, and broken in the site.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::Failure;
use crate::cargo::succeed;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder to build it in; what is there is replaced if it is a book
    #[arg(long, default_value = "target/book")]
    out: PathBuf,
    /// The program mdbook
    #[arg(long, default_value = "mdbook")]
    mdbook: PathBuf,
}

/// Builds the site and looks through its links.
///
/// # Errors
///
/// When mdBook is not there or fails, the folder holds something else, or a link leads nowhere.
pub(crate) fn run(arguments: &Arguments, force: bool) -> Result<(), Failure> {
    let out = std::path::absolute(&arguments.out)?;
    if !force && out.exists() && !out.join("toc.html").exists() && fs::read_dir(&out)?.next().is_some() {
        let out = out.display();
        return Err(format!("VR0626: {out} holds no book; name another folder, or pass --force to replace it").into());
    }
    let mut build = Command::new(&arguments.mdbook);
    build.arg("build").arg("--dest-dir").arg(&out).arg(ROOT);
    succeed(&mut build).map_err(|error| {
        format!("{error}; mdBook comes with: cargo install mdbook --locked --no-default-features --features search")
    })?;
    let site = Site::read(&out)?;
    let broken = site.broken();
    broken.iter().for_each(|says| println!("{says}"));
    if !broken.is_empty() {
        return Err(format!("{} links of the book lead nowhere", broken.len()).into());
    }
    println!("{} pages in {}", site.pages.len(), out.display());
    Ok(())
}

/// The pages of a site by their paths in it.
struct Site {
    folder: PathBuf,
    pages: BTreeMap<PathBuf, String>,
}

impl Site {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let mut pages = BTreeMap::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(within) = folders.pop() {
            for entry in fs::read_dir(within)? {
                let path = entry?.path();
                match path.extension() {
                    _ if path.is_dir() => folders.push(path),
                    // All pages in one, for printing: its links are those of the pages.
                    Some(ending) if ending == "html" && !path.ends_with("print.html") => {
                        pages.insert(path.strip_prefix(folder)?.into(), fs::read_to_string(&path)?);
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { folder: folder.into(), pages })
    }

    /// What leads nowhere.
    fn broken(&self) -> Vec<String> {
        let of_page = |(path, html): (&PathBuf, &String)| {
            let faults = targets(html).filter(|target| self.is_broken(path, target));
            faults.map(|target| format!("{}: {target} leads nowhere", path.display())).collect::<Vec<_>>()
        };
        self.pages.iter().flat_map(of_page).collect()
    }

    fn is_broken(&self, page: &Path, target: &str) -> bool {
        if target.contains("://") || ["mailto:", "data:"].iter().any(|scheme| target.starts_with(scheme)) {
            return false;
        }
        let (file, section) = target.split_once('#').unwrap_or((target, ""));
        let path = match file {
            "" => page.to_path_buf(),
            // From the top of wherever the site is, as on the page of an error.
            _ if file.starts_with('/') => PathBuf::from(file.trim_start_matches('/')),
            _ => match resolved(page, file) {
                Some(path) => path,
                None => return true,
            },
        };
        match self.pages.get(&path) {
            Some(html) => !section.is_empty() && !html.contains(&format!("id=\"{section}\"")),
            None => !self.folder.join(path).exists(),
        }
    }
}

/// Where a page's link leads within the site; `None` out of it.
fn resolved(page: &Path, target: &str) -> Option<PathBuf> {
    let mut path = page.parent()?.to_path_buf();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                if !path.pop() {
                    return None;
                }
            }
            part => path.push(part),
        }
    }
    Some(path)
}

/// What a page links to and takes pictures from.
fn targets(html: &str) -> impl Iterator<Item = &str> {
    let of = |attribute: &'static str| {
        html.split(attribute).skip(1).filter_map(|rest| rest.split_once('"').map(|(target, _)| target))
    };
    of(" href=\"").chain(of(" src=\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_book_and_to_nothing_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "index.html",
            r##"<a href="a/b.html#here">x</a> <img src="images/x.png"> <a href="https://burn.dev">y</a>"##,
        );
        write("a/b.html", r##"<h2 id="here">h</h2> <a href="#here">x</a> <a href="../index.html">y</a>"##);
        write("images/x.png", "");
        assert_eq!(Site::read(folder.path()).unwrap().broken(), Vec::<String>::new());
        write("c.html", r##"<a href="a/b.html#gone">x</a> <a href="../README.md">y</a> <a href="d.html">z</a>"##);
        let broken = Site::read(folder.path()).unwrap().broken();
        let says = |target: &str| format!("c.html: {target} leads nowhere");
        assert_eq!(broken, [says("a/b.html#gone"), says("../README.md"), says("d.html")]);
    }

    #[test]
    fn folders_of_others_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.txt"), "mine").unwrap();
        let arguments = Arguments { out: folder.path().into(), mdbook: "no-such-program".into() };
        let refused = run(&arguments, false).unwrap_err().to_string();
        assert!(refused.contains("VR0626"), "{refused}");
        fs::write(folder.path().join("toc.html"), "").unwrap();
        let tried = run(&arguments, false).unwrap_err().to_string();
        assert!(!tried.contains("VR0626"), "{tried}");
    }
}
