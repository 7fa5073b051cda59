//! Where a gallery is kept, as people write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{GalleryError, Keep, Local, Model, Store, engines};

/// Where a gallery is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A collection of a Qdrant server.
    Qdrant(QdrantAddress),
    /// Tables of a PostgreSQL database with pgvector.
    Postgres(PostgresAddress),
    /// Lance files in a folder or a bucket.
    Lance(LanceAddress),
}

/// A collection of a Qdrant server: `qdrant://host:6333/collection`, with `?tls=true` where it speaks HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QdrantAddress {
    /// Name or number of the machine.
    pub host: String,
    /// Port of its REST interface, 6333 unless the address says another. (6334 is that of gRPC, which is not spoken here.)
    pub port: u16,
    /// The collection.
    pub collection: String,
    /// Whether it speaks HTTPS.
    pub tls: bool,
}

/// Tables of a PostgreSQL database: `postgres://user@host:5432/database?table=people`. Everything but the table is read as
/// PostgreSQL's own clients read it. A password in it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    url: String,
    table: String,
}

/// Where Lance files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanceAddress {
    /// In a folder of this machine: `lance://people`, or `lance:///data/people` from the root.
    Folder(PathBuf),
    /// In a bucket of S3 or what speaks like it: `s3://bucket/people`. Keys, region and endpoint are those of the environment, as
    /// `AWS_*`.
    Bucket(String),
}

impl PostgresAddress {
    /// The table of the entries; the names of the others begin with it. `gallery` unless the address says another.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What a client connects with. It may hold a password.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// How a gallery is opened.
#[derive(Debug, Clone, Copy)]
pub enum Opening<'a> {
    /// Whatever network its embeddings are of.
    AsItIs,
    /// It has to be of this network.
    Of(&'a Model),
    /// It has to be of this network, and is made where there is none.
    OrCreate {
        /// The network.
        model: &'a Model,
        /// Whether a folder that is made now keeps images. An engine does as it can.
        images: bool,
    },
}

impl<'a> Opening<'a> {
    /// The network that is asked for.
    pub fn model(self) -> Option<&'a Model> {
        match self {
            Opening::AsItIs => None,
            Opening::Of(model) | Opening::OrCreate { model, .. } => Some(model),
        }
    }
}

impl Address {
    /// Reads an address: `qdrant://`, `postgres://` (or `postgresql://`), `lance://` and `s3://`; whatever has no `://` is a
    /// folder.
    ///
    /// # Errors
    ///
    /// `VR0808` for an engine that there is not, and for an address that lacks a part or has a bad one.
    pub fn parse(text: &str) -> Result<Self, GalleryError> {
        let bad = |reason: String| GalleryError::NoGallery { address: hide(text), reason };
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(bad("it is empty".into())) } else { Ok(Address::Folder(text.into())) };
        };
        match scheme {
            "qdrant" => parse_qdrant(rest).map(Address::Qdrant).map_err(bad),
            "postgres" | "postgresql" => parse_postgres(text).map(Address::Postgres).map_err(bad),
            "lance" if rest.is_empty() => Err(bad("it names no place".into())),
            "lance" => Ok(Address::Lance(LanceAddress::Folder(rest.into()))),
            "s3" => parse_bucket(rest).map(Address::Lance).map_err(bad),
            _ => Err(bad("there is no such engine; there are qdrant://, postgres://, lance:// and s3://".into())),
        }
    }

    /// Opens a gallery.
    ///
    /// # Errors
    ///
    /// `VR0808` where there is none, `VR0804` where it holds embeddings of another network; `VR0805` to `VR0807` of a folder;
    /// `VR0810` for an engine that the build lacks, `VR0809` when an engine can't be reached or fails.
    pub fn open(&self, opening: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
        match self {
            Address::Folder(folder) => Ok(Box::new(match opening {
                Opening::AsItIs => Local::open(folder, None)?,
                Opening::Of(model) => Local::open(folder, Some(model))?,
                Opening::OrCreate { model, images } => {
                    Local::open_or_create(folder, model.clone(), Keep { images, ..Keep::default() })?
                }
            })),
            Address::Qdrant(address) => engines::open_qdrant(address, opening),
            Address::Postgres(address) => engines::open_postgres(address, opening),
            Address::Lance(address) => engines::open_lance(address, opening),
        }
    }
}

impl FromStr for Address {
    type Err = GalleryError;

    fn from_str(text: &str) -> Result<Self, GalleryError> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(path) => write!(f, "{}", path.display()),
            Address::Qdrant(address) => write!(f, "{address}"),
            Address::Postgres(address) => write!(f, "{address}"),
            Address::Lance(address) => write!(f, "{address}"),
        }
    }
}

impl fmt::Display for QdrantAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "?tls=true" } else { "" };
        write!(f, "qdrant://{}:{}/{}{tls}", self.host, self.port, self.collection)
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = if self.url.contains('?') { '&' } else { '?' };
        write!(f, "{}{joined}table={}", hide(&self.url), self.table)
    }
}

impl fmt::Display for LanceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LanceAddress::Folder(path) => write!(f, "lance://{}", path.display()),
            LanceAddress::Bucket(place) => write!(f, "s3://{place}"),
        }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self})")
    }
}

fn parse_qdrant(rest: &str) -> Result<QdrantAddress, String> {
    if rest.contains('@') {
        return Err("a key does not belong in the address; put it into QDRANT_API_KEY".into());
    }
    let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
    let tls = match settings {
        "" | "tls=false" => false,
        "tls=true" => true,
        _ => return Err(format!("'{settings}' is no setting of it; there is tls=true")),
    };
    let (host, collection) = place.split_once('/').unwrap_or((place, ""));
    // A colon within the brackets of an IPv6 address is none of a port.
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("'{port}' is not a port"))?)
        }
        _ => (host, 6333),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if host.is_empty() {
        return Err("it names no host: qdrant://host:6333/collection".into());
    }
    if !collection.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') || !collection.chars().all(plain) {
        return Err(
            "the collection's name is made of letters, digits, '_', '-' and '.': qdrant://host:6333/people".into()
        );
    }
    Ok(QdrantAddress { host: host.into(), port, collection: collection.into(), tls })
}

fn parse_bucket(rest: &str) -> Result<LanceAddress, String> {
    if rest.contains('@') {
        return Err(
            "keys do not belong in the address; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into()
        );
    }
    // The engine takes settings that would write elsewhere as well.
    if rest.contains(['?', '#']) {
        return Err("it takes no settings; region and endpoint are those of AWS_REGION and AWS_ENDPOINT".into());
    }
    let (bucket, name) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if bucket.is_empty() || !bucket.chars().all(plain) {
        return Err("it names no bucket: s3://bucket/people".into());
    }
    let is_name = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    if !name.split('/').all(is_name) {
        return Err(
            "the name in the bucket is made of letters, digits, '_', '-', '.' and '/': s3://bucket/people".into()
        );
    }
    Ok(LanceAddress::Bucket(format!("{bucket}/{name}")))
}

fn parse_postgres(text: &str) -> Result<PostgresAddress, String> {
    let (place, settings) = text.split_once('?').unwrap_or((text, ""));
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        settings.split('&').filter(|part| !part.is_empty()).partition(|part| part.starts_with("table="));
    let table = ours.first().map_or("gallery", |part| &part["table=".len()..]);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if table.starts_with(|c: char| c.is_ascii_digit()) || !table.chars().all(plain) || !(1..=40).contains(&table.len())
    {
        return Err("the table's name is made of up to 40 small letters, digits and '_'".into());
    }
    let url = if theirs.is_empty() { place.to_string() } else { format!("{place}?{}", theirs.join("&")) };
    Ok(PostgresAddress { url, table: table.into() })
}

/// An address without what may be a password: what stands between the user and the last `@`, and a setting of that name.
fn hide(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let shown = match rest.rsplit_once('@') {
        None => rest.to_string(),
        Some((user, place)) => match user.split_once(':') {
            Some((user, _)) if scheme.starts_with("postgres") => format!("{user}:***@{place}"),
            None if scheme.starts_with("postgres") => rest.to_string(),
            _ => format!("***@{place}"),
        },
    };
    let Some((place, settings)) = shown.split_once('?') else { return format!("{scheme}://{shown}") };
    let hidden = settings.split('&').map(|part| if part.starts_with("password=") { "password=***" } else { part });
    format!("{scheme}://{place}?{}", hidden.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn each_kind_is_told_by_its_beginning() {
        let Address::Qdrant(qdrant) = parse("qdrant://[::1]/people") else { panic!("no Qdrant") };
        assert_eq!((qdrant.host.as_str(), qdrant.port, qdrant.tls), ("[::1]", 6333, false));
        assert_eq!(parse("qdrant://far:7000/a.b?tls=true").to_string(), "qdrant://far:7000/a.b?tls=true");
        let Address::Postgres(postgres) =
            parse("postgresql://me@far/db?sslmode=disable&table=people&connect_timeout=3")
        else {
            panic!("no PostgreSQL")
        };
        assert_eq!(postgres.table(), "people");
        assert_eq!(postgres.url(), "postgresql://me@far/db?sslmode=disable&connect_timeout=3");
        assert_eq!(parse("postgres://far/db").to_string(), "postgres://far/db?table=gallery");
        assert_eq!(parse("lance:///data/people"), Address::Lance(LanceAddress::Folder("/data/people".into())));
        assert_eq!(parse("lance://people").to_string(), "lance://people");
        assert_eq!(parse("s3://bucket/a/people/"), Address::Lance(LanceAddress::Bucket("bucket/a/people".into())));
        assert_eq!(parse("s3://bucket/people").to_string(), "s3://bucket/people");
        for folder in ["people", "./qdrant:/x", "C:\\people", "/data/people"] {
            assert_eq!(parse(folder), Address::Folder(folder.into()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = [
            ("", "empty"),
            ("mysql://far/db", "no such engine"),
            ("qdrant://far", "collection's name"),
            ("qdrant://far/a/b", "collection's name"),
            ("qdrant://far/..", "collection's name"),
            ("qdrant://:1/a", "no host"),
            ("qdrant://far:high/a", "not a port"),
            ("qdrant://far/a?tls=perhaps", "no setting"),
            ("postgres://far/db?table=a;drop", "table's name"),
            ("postgres://far/db?table=", "table's name"),
            ("lance://", "no place"),
            ("s3://", "no bucket"),
            ("s3:///people", "no bucket"),
            ("s3://bucket", "name in the bucket"),
            ("s3://bucket/a//b", "name in the bucket"),
            ("s3://bucket/../b", "name in the bucket"),
            ("s3://bucket/people?mirroredStore=/elsewhere", "no settings"),
        ];
        for (address, reason) in wrong {
            let said = Address::parse(address).unwrap_err().to_string();
            assert!(said.starts_with("VR0808") && said.contains(reason), "{address}: {said}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for text in [
            "postgres://me:hunter2@far/db",
            "postgres://me:hunter2@x:hunter2/y@far/db",
            "postgres://far/db?user=me&password=hunter2",
            "postgres://far/db?password=hunter2&table=people",
        ] {
            let address = parse(text);
            assert!(!format!("{address} {address:?}").contains("hunter2"), "{address}");
            let said = Address::parse(&format!("{text}&table=A")).map(|_| ());
            let said = format!("{said:?} {:?}", Address::parse(&text.replace("postgres", "mysql")));
            assert!(!said.contains("hunter2"), "{said}");
        }
        let elsewhere =
            [("qdrant://hunter2@far/people", "QDRANT_API_KEY"), ("s3://me:hunter2@far/people", "AWS_SECRET")];
        for (text, place) in elsewhere {
            let said = Address::parse(text).unwrap_err().to_string();
            assert!(said.contains(place) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn what_can_not_be_opened_says_why() {
        #[cfg(not(feature = "lance"))]
        for address in ["lance://people", "s3://bucket/people"] {
            let said = parse(address).open(Opening::AsItIs).err().unwrap().to_string();
            assert!(
                said.starts_with("VR0810") && said.contains(address) && said.contains("--features lance"),
                "{said}"
            );
        }
        let said = parse("no/such/gallery").open(Opening::AsItIs).err().unwrap().to_string();
        assert!(said.starts_with("VR0808"), "{said}");
    }
}
