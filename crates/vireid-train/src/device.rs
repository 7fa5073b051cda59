//! Devices by name. The one place that knows which backends a build links.

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
use burn::tensor::DeviceType;
use burn::tensor::{Device, Tensor};

use vireid_core::quietly;

use crate::MethodError;

/// Kinds of devices by the feature that links them, the ones to prefer first.
const ACCELERATORS: [(&str, bool); 3] =
    [("cuda", cfg!(feature = "cuda")), ("vulkan", cfg!(feature = "vulkan")), ("wgpu", cfg!(feature = "wgpu"))];

/// A device that this build can use on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    /// The name that [`parse_device`] and `--device` take, such as `cpu` or `cuda:0`.
    pub name: String,
    /// What the driver calls the device, or `unnamed`; of the CPU its number of threads.
    pub description: String,
    /// Whether it is a graphics card. A CPU that plays one, such as a software renderer, is not.
    pub is_card: bool,
}

/// The devices that this build can use on this machine, the CPU first. Opens each of them and lets it compute two
/// numbers, so the first call may take seconds.
pub fn available_devices() -> Vec<DeviceEntry> {
    let mut entries = Vec::new();
    if cfg!(feature = "flex") {
        let threads = rayon::current_num_threads();
        entries.push(DeviceEntry {
            name: "cpu".into(),
            description: format!("this machine's CPU, on {threads} threads"),
            is_card: false,
        });
    }
    for (kind, _) in ACCELERATORS.into_iter().filter(|(_, linked)| *linked) {
        for (number, device) in enumerate(kind).into_iter().enumerate() {
            let identity = identity(&device);
            if !crashes(kind, identity.as_ref()) && answers(&device) {
                let (description, is_card) = identity.unwrap_or_else(|| ("unnamed".into(), false));
                entries.push(DeviceEntry { name: format!("{kind}:{number}"), description, is_card });
            }
        }
    }
    entries
}

/// Features that this build lacks, each of which would let it use another kind of device: of `cuda`, `vulkan` and
/// `wgpu`.
pub fn missing_features() -> Vec<&'static str> {
    ACCELERATORS.into_iter().filter(|(_, linked)| !linked).map(|(kind, _)| kind).collect()
}

/// Names of devices, separated by commas, with every `auto` replaced by the first card there is, or `cpu` where there
/// is none. Other names are kept, even unknown ones.
pub fn resolve_device(names: &str) -> String {
    let resolve = |name: &str| {
        if name != "auto" {
            return name.to_string();
        }
        let entries = available_devices();
        let best = entries.iter().find(|entry| entry.is_card).or(entries.first());
        best.map_or_else(|| "cpu".into(), |entry| entry.name.clone())
    };
    names.split(',').map(|name| resolve(name.trim())).collect::<Vec<_>>().join(",")
}

/// Opens the device of a name: `cpu`, `wgpu[:n]`, `vulkan[:n]`, `cuda[:n]`, `auto`, or `ws://host:port[#n]` for one
/// that another host lends. `n` is 0 where it is left out. The token that a lending host asks for is read from the
/// environment variable `VIREID_TOKEN`.
///
/// # Errors
///
/// `VR0504` when the build does not link the backend, the name is unknown, or there is no such device or it does not
/// answer.
pub fn parse_device(name: &str) -> Result<Device, MethodError> {
    open(&resolve_device(name)).map_err(|reason| MethodError::NoDevice {
        name: name.into(),
        reason,
        available: available_devices().into_iter().map(|entry| entry.name).collect(),
    })
}

/// The devices that a run computes on: the first holds weights, memories and optimiser, and each takes its part of every
/// batch.
#[derive(Debug, Clone)]
pub struct Devices {
    first: Device,
    others: Vec<Device>,
}

impl From<Device> for Devices {
    fn from(first: Device) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl Devices {
    /// The device that holds weights, memories and optimiser.
    pub fn first(&self) -> &Device {
        &self.first
    }

    /// The devices that get a copy of the network every step; empty in a run on one device.
    pub fn others(&self) -> &[Device] {
        &self.others
    }

    /// All devices in the order of the parts of a batch that they take, the first device first.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// How many parts a batch is split into: at least one. A device that is named twice counts twice.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The same devices on their autodiff side, which records what gradients need.
    pub fn autodiff(&self) -> Self {
        let side = |device: &Device| device.clone().autodiff();
        Self { first: side(&self.first), others: self.others.iter().map(side).collect() }
    }
}

/// Opens the devices of names separated by commas, such as `cuda:0,cuda:1`. A device that is named twice takes two
/// parts of a batch.
///
/// # Errors
///
/// `VR0504` for the first name that [`parse_device`] refuses.
pub fn parse_devices(names: &str) -> Result<Devices, MethodError> {
    let (first, others) = names.split_once(',').map_or((names, None), |(first, others)| (first, Some(others)));
    let others = others.into_iter().flat_map(|others| others.split(','));
    Ok(Devices {
        first: parse_device(first.trim())?,
        others: others.map(|name| parse_device(name.trim())).collect::<Result<_, _>>()?,
    })
}

fn open(name: &str) -> Result<Device, String> {
    if name.starts_with("ws://") {
        return lent(name);
    }
    let (kind, number) = match name.split_once(':') {
        Some((kind, number)) => (kind, number.parse().map_err(|_| format!("'{number}' is not a device number"))?),
        None => (name, 0usize),
    };
    let devices = match ACCELERATORS.into_iter().find(|(known, _)| *known == kind) {
        Some((_, true)) => enumerate(kind),
        Some((_, false)) => return Err(format!("this build has no {kind}; build with --features {kind}")),
        None if kind == "cpu" => cpu(),
        None => return Err("names are cpu, wgpu[:n], vulkan[:n], cuda[:n], ws://host:port and auto".into()),
    };
    let count = devices.len();
    let device = devices.into_iter().nth(number).ok_or_else(|| match count {
        0 => format!("this machine has no {kind} device, or no driver for it"),
        n => format!("there is no {kind} device {number}; the numbers end at {}", n - 1),
    })?;
    if crashes(kind, identity(&device).as_ref()) {
        let reason = "it is a software renderer, which crashes on the kernels of a build with the feature vulkan; build with \
                      wgpu and without vulkan";
        return Err(reason.into());
    }
    if answers(&device) { Ok(device) } else { Err("it does not answer".into()) }
}

/// The device that another host lends: `ws://host:port`, or `ws://host:port#n` for the n-th of several.
#[cfg(feature = "remote")]
fn lent(name: &str) -> Result<Device, String> {
    use burn::tensor::remote::RemoteHost;
    let (url, number) = match name.split_once('#') {
        Some((url, number)) => (url, number.parse().map_err(|_| format!("'{number}' is not a device number"))?),
        None => (name, 0usize),
    };
    let mut host = RemoteHost::websocket(url);
    if let Ok(token) = std::env::var("VIREID_TOKEN") {
        host = host.with_credential(token);
    }
    let opened = quietly(|| Device::remote_options(&host).device_index(number).init())
        .map_err(|reason| format!("the connection failed: {reason}"))?;
    let device = opened.map_err(|error| format!("{error}; its token is taken from the variable VIREID_TOKEN"))?;
    if answers(&device) { Ok(device) } else { Err("it does not answer".into()) }
}

#[cfg(not(feature = "remote"))]
fn lent(_name: &str) -> Result<Device, String> {
    Err("this build can't use the devices of other hosts; build with --features remote".into())
}

fn cpu() -> Vec<Device> {
    #[cfg(feature = "flex")]
    return vec![Device::flex()];
    #[cfg(not(feature = "flex"))]
    Vec::new()
}

/// The devices of a linked kind, in the backend's order.
fn enumerate(kind: &str) -> Vec<Device> {
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
    {
        let of_type = match kind {
            #[cfg(feature = "cuda")]
            "cuda" => DeviceType::Cuda,
            #[cfg(feature = "vulkan")]
            "vulkan" => DeviceType::Vulkan,
            #[cfg(any(feature = "wgpu", feature = "vulkan"))]
            "wgpu" => DeviceType::Wgpu,
            _ => return Vec::new(),
        };
        quietly(|| Device::enumerate(of_type).into_vec()).unwrap_or_default()
    }
    #[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "cuda")))]
    {
        let _ = kind;
        Vec::new()
    }
}

/// What a device calls itself, and whether it is a card.
fn identity(device: &Device) -> Option<(String, bool)> {
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
    if let Ok(Some(identity)) = quietly(|| device.identity()) {
        return Some((identity.name, identity.physical.is_some()));
    }
    let _ = device;
    None
}

/// Whether the device's driver would take the process down, which no guard can catch: with the feature `vulkan` Burn compiles
/// kernels straight to SPIR-V, and Mesa's software renderer ends in a segmentation fault on the first (22.3.6 and 25.0.7).
fn crashes(kind: &str, identity: Option<&(String, bool)>) -> bool {
    cfg!(feature = "vulkan") && kind != "cuda" && identity.is_some_and(|(_, is_card)| !is_card)
}

/// Whether a first small computation comes out right.
fn answers(device: &Device) -> bool {
    let probe = || Tensor::<1>::ones([2], device).sum().into_scalar::<f32>();
    quietly(probe) == Ok(2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_there_and_others_say_how_to_get_them() {
        assert!(parse_device("cpu").is_ok() && parse_device("auto").is_ok());
        assert_eq!(available_devices()[0].name, "cpu");
        assert_eq!(parse_devices("cpu, cpu").unwrap().count(), 2);
        assert_eq!(resolve_device("auto,cpu").split(',').count(), 2);
        for name in ["cpu:1", "tpu", "wgpu:x", "cuda:99", "cpu,", "cpu,tpu", "", "ws://127.0.0.1:1"] {
            let error = parse_devices(name).unwrap_err().to_string();
            assert!(error.starts_with("VR0504") && error.contains("has: cpu"), "{error}");
        }
        for feature in missing_features() {
            let error = parse_device(feature).unwrap_err().to_string();
            assert!(error.contains(&format!("--features {feature}")), "{error}");
        }
    }
}
