//! Whether an exported file is the network that it was made from.

use safetensors::{Dtype, SafeTensors};
use vireid::ProgramError;
use vireid_backbone::parameters::NamedParameter;

/// The largest difference that a file is written with.
const MOST: f32 = 1e-4;

/// Reads a safetensors file back, with a reader that is not ours: the largest difference of what it holds to what it should.
///
/// # Errors
///
/// `VR0630` where it is not what was written.
pub fn weights(bytes: &[u8], named: &[NamedParameter]) -> Result<f32, ProgramError> {
    let bad = |reason: String| ProgramError::BadExport(reason);
    let read = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
    let mut largest = 0.0;
    for (name, shape, values) in named {
        let tensor = read.tensor(name).map_err(|error| bad(error.to_string()))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(bad(format!("{name} is {:?} {:?} instead of {shape:?}", tensor.dtype(), tensor.shape())));
        }
        let got: Vec<f32> = tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        largest = further(largest, &got, values)?;
    }
    Ok(largest)
}

/// The larger of a difference and that of some numbers to others.
///
/// # Errors
///
/// `VR0630` for other numbers than rounding makes.
pub fn further(largest: f32, got: &[f32], expected: &[f32]) -> Result<f32, ProgramError> {
    if got.len() != expected.len() {
        return Err(ProgramError::BadExport(format!("it has {} numbers instead of {}", got.len(), expected.len())));
    }
    let mut largest = largest;
    for (got, expected) in got.iter().zip(expected) {
        let difference = (got - expected).abs();
        // A NaN is no smaller than anything.
        if difference.is_nan() || difference > MOST {
            return Err(ProgramError::BadExport(format!("a number is {got} instead of {expected}")));
        }
        largest = largest.max(difference);
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounding_passes() {
        assert_eq!(further(0.0, &[1.0, 2.0], &[1.0, 2.0]).unwrap(), 0.0);
        assert!(further(0.0, &[1.000_05], &[1.0]).unwrap() > 4e-5);
        for (got, expected) in [(&[1.001][..], &[1.0][..]), (&[f32::NAN], &[1.0]), (&[1.0], &[f32::NAN]), (&[1.0], &[])]
        {
            assert!(further(0.0, got, expected).unwrap_err().to_string().starts_with("VR0630"));
        }
    }
}
