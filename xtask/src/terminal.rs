//! `cargo xtask terminal`: a recorded run of the program as a picture that moves, made by the program itself.

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;

use crate::Failure;

/// What is run, one after the other, in an empty folder. `QUERY` is an image of an infrared camera that the training did not see.
const COMMANDS: [&str; 3] = [
    "vireid train --method mbccm --out model",
    "vireid extract --model model --out gallery.npy",
    "vireid search --model model --index gallery.npy --query QUERY --modality infrared --top 5",
];
/// Seconds that a picture waits at most for the next line, where the program took longer.
const LONGEST: f64 = 1.5;
const LINE: f64 = 17.0;
const LETTER: f64 = 7.83;
const MARGIN: f64 = 14.0;
/// By which a picture of this task is known again.
const TITLE: &str = "A recorded run of vireid: train, extract, search";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The program
    #[arg(long, default_value = "target/release/vireid")]
    program: PathBuf,
    /// Picture to write
    #[arg(long, default_value = "docs/images/terminal.svg")]
    out: PathBuf,
}

/// A line, and when it came after the one before it.
struct Line {
    text: String,
    is_command: bool,
    after: Duration,
}

/// Runs the commands and draws what they print.
///
/// # Errors
///
/// When the program is not there or fails, or the picture can't be written.
pub(crate) fn run(arguments: &Arguments, force: bool) -> Result<(), Failure> {
    let out = arguments.out.display();
    if !force && arguments.out.exists() && !fs::read_to_string(&arguments.out).is_ok_and(|svg| svg.contains(TITLE)) {
        return Err(
            format!("VR0626: {out} exists and is no picture of this task; name another file, or pass --force").into()
        );
    }
    let program = fs::canonicalize(&arguments.program)
        .map_err(|error| format!("{}: {error}; cargo build --release --package vireid", arguments.program.display()))?;
    let folder = tempfile::tempdir()?;
    let mut lines = Vec::new();
    for command in COMMANDS {
        let command = match command.contains("QUERY") {
            true => command.replace("QUERY", &query(folder.path())?),
            false => command.to_string(),
        };
        println!("$ {command}");
        lines.push(Line { text: format!("$ {command}"), is_command: true, after: Duration::from_secs(1) });
        record(&program, &command, folder.path(), &mut lines)?;
    }
    fs::write(&arguments.out, drawn(&lines))?;
    println!("{out}");
    Ok(())
}

/// An infrared image of somebody who is kept for testing, in the world that the program drew.
fn query(folder: &Path) -> Result<String, Failure> {
    let world = fs::read_dir(folder.join("data/synthetic"))?.next().ok_or("no world was drawn")??.path();
    let people = fs::read_to_string(world.join("exp/test_id.txt"))?;
    let person: u32 = people.trim().split(',').next().ok_or("nobody is kept for testing")?.trim().parse()?;
    let of_person = world.join(format!("cam3/{person:04}"));
    let mut images: Vec<PathBuf> =
        fs::read_dir(of_person)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    images.sort_unstable();
    let image = images.first().ok_or("nobody has an infrared image")?;
    Ok(image.strip_prefix(folder)?.to_str().ok_or("a path is not text")?.to_string())
}

/// Runs a command; what it prints and says, line by line, with the time between.
fn record(program: &Path, command: &str, folder: &Path, lines: &mut Vec<Line>) -> Result<(), Failure> {
    let mut child = Command::new(program)
        .args(command.split(' ').skip(1))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (told, tell) = mpsc::channel::<std::io::Result<String>>();
    let (out, err) = (child.stdout.take().ok_or("no output")?, child.stderr.take().ok_or("no output")?);
    let of_errors = told.clone();
    std::thread::spawn(move || BufReader::new(err).lines().for_each(|line| drop(of_errors.send(line))));
    std::thread::spawn(move || BufReader::new(out).lines().for_each(|line| drop(told.send(line))));
    let mut last = Instant::now();
    for text in tell {
        let text = text?;
        println!("{text}");
        lines.push(Line { text, is_command: false, after: last.elapsed() });
        last = Instant::now();
    }
    if child.wait()?.success() { Ok(()) } else { Err(format!("{command} failed").into()) }
}

/// The picture: lines appear one after the other, all at once for those who don't want things to move.
fn drawn(lines: &[Line]) -> String {
    let columns = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
    let (width, height) = (columns as f64 * LETTER + 2.0 * MARGIN, lines.len() as f64 * LINE + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <title>{TITLE}</title>\n\
         <style>text {{ fill: #d8dee9; white-space: pre; animation: show 0.01s both }} .c {{ fill: #a3d977 }} \
         @keyframes show {{ from {{ opacity: 0 }} to {{ opacity: 1 }} }} \
         @media (prefers-reduced-motion: reduce) {{ text {{ animation: none }} }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1d2330\"/>\n"
    );
    let mut at = 0.0;
    for (number, line) in lines.iter().enumerate() {
        at += line.after.as_secs_f64().min(LONGEST);
        let y = MARGIN + LINE * (number as f64 + 0.75);
        let class = if line.is_command { " class=\"c\"" } else { "" };
        let text = line.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{y:.1}\"{class} style=\"animation-delay:{at:.2}s\" xml:space=\"preserve\">{text}</text>"
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, is_command: bool, seconds: u64) -> Line {
        Line { text: text.into(), is_command, after: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_long_wait_is_cut_short_and_text_stays_text() {
        let svg = drawn(&[line("$ vireid train", true, 1), line("a < b", false, 60), line("c", false, 0)]);
        assert!(
            svg.contains("class=\"c\" style=\"animation-delay:1.00s\" xml:space=\"preserve\">$ vireid train<"),
            "{svg}"
        );
        assert!(svg.contains("animation-delay:2.50s\" xml:space=\"preserve\">a &lt; b<"), "{svg}");
        assert_eq!(svg.matches("<text ").count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn both_streams_are_recorded_and_a_failure_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = Vec::new();
        record(Path::new("/bin/echo"), "vireid one two", folder.path(), &mut lines).unwrap();
        assert_eq!(lines[0].text, "one two");
        assert!(record(Path::new("/bin/false"), "vireid", folder.path(), &mut lines).is_err());
    }

    #[test]
    fn the_query_is_of_somebody_who_is_kept_for_testing() {
        let folder = tempfile::tempdir().unwrap();
        let world = folder.path().join("data/synthetic/sysu-1");
        fs::create_dir_all(world.join("exp")).unwrap();
        fs::create_dir_all(world.join("cam3/0012")).unwrap();
        fs::write(world.join("exp/test_id.txt"), "12,14\n").unwrap();
        for name in ["0002.jpg", "0001.jpg"] {
            fs::write(world.join("cam3/0012").join(name), "").unwrap();
        }
        assert_eq!(query(folder.path()).unwrap(), "data/synthetic/sysu-1/cam3/0012/0001.jpg");
    }
}
