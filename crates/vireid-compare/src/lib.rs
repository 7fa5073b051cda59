#![doc = include_str!("../README.md")]

/// The larger of two differences; a NaN is larger than any number.
pub fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The largest absolute difference of two lists: NaN where their lengths differ, or where a value of either is NaN.
/// Infinities of one sign differ by nothing.
pub fn largest_difference<A, B>(a: &[A], b: &[B]) -> f64
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    if a.len() != b.len() {
        return f64::NAN;
    }
    let difference = |(a, b): (&A, &B)| {
        let (a, b) = ((*a).into(), (*b).into());
        if a == b { 0.0 } else { (a - b).abs() }
    };
    a.iter().zip(b).map(difference).fold(0.0, worse)
}

/// The largest difference of two lists, each relative to the first one's value or to `floor` where that is larger. NaN as
/// in [`largest_difference`].
pub fn largest_relative_difference<A, B>(a: &[A], b: &[B], floor: f64) -> f64
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    if a.len() != b.len() {
        return f64::NAN;
    }
    let relative = |(a, b): (&A, &B)| {
        let (a, b) = ((*a).into(), (*b).into());
        if a == b { 0.0 } else { (a - b).abs() / a.abs().max(floor) }
    };
    a.iter().zip(b).map(relative).fold(0.0, worse)
}

/// Fails unless two lists agree within `allowed`, with what differs most.
///
/// # Panics
///
/// When they don't.
#[track_caller]
pub fn assert_close<A, B>(a: &[A], b: &[B], allowed: f64)
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    let largest = largest_difference(a, b);
    // Not `largest > allowed`: a NaN is not close.
    if !matches!(largest.partial_cmp(&allowed), Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)) {
        panic!("{} and {} values differ by up to {largest:e}, {allowed:e} is allowed", a.len(), b.len());
    }
}

/// Whether two numbers differ by at most `allowed`; a NaN is near nothing.
pub fn is_near(a: impl Into<f64>, b: impl Into<f64>, allowed: f64) -> bool {
    largest_difference::<f64, f64>(&[a.into()], &[b.into()]) <= allowed
}

/// Fails unless two numbers differ by at most `allowed`.
///
/// # Panics
///
/// When they don't.
#[track_caller]
pub fn assert_near(got: impl Into<f64>, expected: impl Into<f64>, allowed: f64) {
    let (got, expected) = (got.into(), expected.into());
    assert!(is_near(got, expected, allowed), "{got} instead of {expected}, {allowed:e} is allowed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_anywhere_is_not_close() {
        for place in 0..3 {
            let mut values = [1.0, 2.0, 3.0];
            values[place] = f64::NAN;
            assert!(largest_difference(&values, &[1.0, 2.0, 3.0]).is_nan(), "{place}");
            assert!(largest_difference(&[1.0, 2.0, 3.0], &values).is_nan(), "{place}");
            assert!(largest_difference(&values, &values).is_nan(), "{place}");
            assert!(largest_relative_difference(&values, &[1.0, 2.0, 3.0], 1e-6).is_nan(), "{place}");
            assert!(std::panic::catch_unwind(|| assert_close(&values, &[1.0, 2.0, 3.0], 1e9)).is_err(), "{place}");
        }
        assert!(worse(f64::NAN, 1.0).is_nan() && worse(1.0, f64::NAN).is_nan());
        assert!(!is_near(f64::NAN, 1.0, f64::INFINITY) && !is_near(1.0, f32::NAN, f64::INFINITY));
        assert!(!is_near(f64::NAN, f64::NAN, 1.0) && !is_near(1.0, 1.0, f64::NAN) && is_near(1.0, 1.5_f32, 0.5));
        assert!(std::panic::catch_unwind(|| assert_near(f64::NAN, 1.0, 1e9)).is_err());
    }

    #[test]
    fn missing_and_surplus_values_are_not_close() {
        assert!(largest_difference::<f64, f64>(&[], &[1.0]).is_nan());
        assert!(largest_difference(&[1.0, 2.0], &[1.0]).is_nan());
        assert!(std::panic::catch_unwind(|| assert_close(&[1.0, 2.0], &[1.0], 1e9)).is_err());
    }

    #[test]
    fn the_largest_difference_is_found_wherever_it_stands() {
        assert_eq!(largest_difference(&[1.0, 5.0, 3.0], &[1.5, 3.0, 3.0]), 2.0);
        assert_eq!(largest_difference(&[f64::INFINITY], &[f64::INFINITY]), 0.0);
        assert_eq!(largest_difference(&[f64::INFINITY], &[f64::NEG_INFINITY]), f64::INFINITY);
        assert_eq!(largest_relative_difference(&[4.0, 0.0], &[3.0, 0.0], 1e-6), 0.25);
        assert_close(&[1.0_f32, 2.0], &[1.0, 2.25], 0.25);
    }
}
