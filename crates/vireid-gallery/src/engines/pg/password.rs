//! The password that PostgreSQL's own clients would find.

use std::path::PathBuf;

use postgres::Config;
use postgres::config::Host;

/// The password that PostgreSQL's own clients would find: `PGPASSWORD`, or the first fitting line of the password file.
pub fn find(config: &Config) -> Option<String> {
    if let Ok(password) = std::env::var("PGPASSWORD") {
        return Some(password);
    }
    let file = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let file = file.or_else(|| Some(std::env::home_dir()?.join(".pgpass")))?;
    let lines = std::fs::read_to_string(file).ok()?;
    let user = config.get_user()?;
    let host = match config.get_hosts().first()? {
        Host::Tcp(host) => host.clone(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    in_lines(&lines, [&host, &port, config.get_dbname().unwrap_or(user), user])
}

/// Of lines `host:port:database:user:password`, where `*` fits anything and `\` takes the meaning from what is behind it.
fn in_lines(lines: &str, wanted: [&str; 4]) -> Option<String> {
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let fits = |(field, wanted): (&String, &str)| field == "*" || field == wanted;
        (fields.len() == 5 && fields.iter().zip(wanted).all(fits)).then(|| fields[4].clone())
    })
}

fn split(line: &str) -> Vec<String> {
    let (mut fields, mut characters) = (vec![String::new()], line.chars());
    while let Some(character) = characters.next() {
        // The password goes on to the end of the line.
        if character == ':' && fields.len() < 5 {
            fields.push(String::new());
            continue;
        }
        let plain = if character == '\\' { characters.next() } else { Some(character) };
        if let (Some(field), Some(plain)) = (fields.last_mut(), plain) {
            field.push(plain);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let lines = "# far:5432:db:me:comment\nfar:5432:db:you:yours\nfar:*:db:me:a\\:b:c\\\\\n*:*:*:*:any\n";
        let find = |host, user| in_lines(lines, [host, "5432", "db", user]);
        assert_eq!(find("far", "me").as_deref(), Some("a:b:c\\"));
        assert_eq!(find("far", "you").as_deref(), Some("yours"));
        assert_eq!(find("near", "me").as_deref(), Some("any"));
        assert_eq!(in_lines("far:5432:db:me\n", ["far", "5432", "db", "me"]), None);
    }
}
