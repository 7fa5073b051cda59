use burn::tensor::Device;
use burn::tensor::Tensor;

use crate::MethodError;

/// The devices that this build can use on this machine, by the names that `--device` takes.
pub fn available_devices() -> Vec<String> {
    candidates().into_iter().filter(|name| open(name).is_ok()).collect()
}

fn candidates() -> Vec<String> {
    let mut names = Vec::new();
    if cfg!(feature = "flex") {
        names.push("cpu".to_string());
    }
    for (feature, linked) in
        [("wgpu", cfg!(feature = "wgpu")), ("vulkan", cfg!(feature = "vulkan")), ("cuda", cfg!(feature = "cuda"))]
    {
        if linked {
            names.push(format!("{feature}:0"));
        }
    }
    names
}

/// The device of a name: `cpu`, `wgpu[:n]`, `vulkan[:n]`, `cuda[:n]`.
///
/// # Errors
///
/// `VR0504` when the build does not link the backend, the name is unknown or the device does not answer.
pub fn parse_device(name: &str) -> Result<Device, MethodError> {
    open(name).map_err(|reason| MethodError::NoDevice { name: name.into(), reason, available: available_devices() })
}

fn open(name: &str) -> Result<Device, String> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => (kind, index.parse().map_err(|_| format!("'{index}' is not a device number"))?),
        None => (name, 0usize),
    };
    let device = select(kind, index)?;
    // Backends panic when the hardware is missing, at the latest at first use.
    let probe = device.clone();
    let answer = std::panic::catch_unwind(move || Tensor::<1>::ones([2], &probe).sum().into_scalar::<f32>());
    match answer {
        Ok(2.0) => Ok(device),
        _ => Err("it does not answer".into()),
    }
}

fn select(kind: &str, index: usize) -> Result<Device, String> {
    // A build without any backend has no arm that reads it.
    let _ = index;
    match kind {
        #[cfg(feature = "flex")]
        "cpu" if index == 0 => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => guarded(move || Device::wgpu(gpu(index))),
        #[cfg(feature = "vulkan")]
        "vulkan" => guarded(move || Device::vulkan(gpu(index))),
        #[cfg(feature = "cuda")]
        "cuda" => guarded(move || Device::cuda(index)),
        "wgpu" | "vulkan" | "cuda" => Err(format!("this build has no {kind}; build with --features {kind}")),
        _ => Err("names are cpu, wgpu[:n], vulkan[:n] and cuda[:n]".into()),
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn gpu(index: usize) -> burn::tensor::DeviceKind {
    if index == 0 { burn::tensor::DeviceKind::DefaultDevice } else { burn::tensor::DeviceKind::DiscreteGpu(index) }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
fn guarded(open: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Result<Device, String> {
    std::panic::catch_unwind(open).map_err(|_| "it can't be opened".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_there_and_others_say_how_to_get_them() {
        assert!(parse_device("cpu").is_ok());
        for name in ["cuda:0", "cpu:1", "tpu", "wgpu:x"] {
            if cfg!(not(any(feature = "cuda", feature = "wgpu"))) {
                let error = parse_device(name).unwrap_err().to_string();
                assert!(error.starts_with("VR0504") && error.ends_with("has: cpu"), "{error}");
            }
        }
    }
}
