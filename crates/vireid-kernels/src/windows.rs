//! Where the windows of a convolution lie in a padded plane.

/// The zeros before and behind a side with which a convolution gives as many positions as strides fit in, rounded up: half of
/// those that it takes on each side, the odd one behind. TensorFlow calls it `SAME`.
pub fn same_padding(side: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let reach = (side.div_ceil(stride).max(1) - 1) * stride + kernel;
    let zeros = reach.saturating_sub(side);
    (zeros / 2, zeros - zeros / 2)
}

/// Where the windows of a convolution lie in a plane that zeros surround.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Of the plane.
    pub height: usize,
    /// Of the plane.
    pub width: usize,
    /// Rows and columns of windows.
    pub out: [usize; 2],
    /// Rows and columns of one window.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next, both ways.
    pub stride: usize,
    /// Zeros above and to the left.
    pub before: [usize; 2],
}

impl Windows {
    /// Windows with the zeros of [`same_padding`].
    pub fn same(size: [usize; 2], kernel: [usize; 2], stride: usize) -> Self {
        let out = size.map(|side| side.div_ceil(stride));
        let before = [0, 1].map(|axis| same_padding(size[axis], kernel[axis], stride).0);
        Self { height: size[0], width: size[1], out, kernel, stride, before }
    }

    /// Zeros that the last windows reach below and to the right.
    pub fn after(&self) -> [usize; 2] {
        let size = [self.height, self.width];
        [0, 1].map(|axis| {
            let reach = (self.out[axis].max(1) - 1) * self.stride + self.kernel[axis];
            reach.saturating_sub(size[axis] + self.before[axis])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, as in TensorFlow's own examples.
    #[test]
    fn the_odd_zero_is_behind() {
        let of = |size, kernel, stride| {
            let windows = Windows::same([size; 2], [kernel; 2], stride);
            (windows.out[0], windows.before[0], windows.after()[0])
        };
        assert_eq!(of(8, 3, 1), (8, 1, 1));
        assert_eq!(of(8, 3, 2), (4, 0, 1));
        assert_eq!(of(7, 3, 2), (4, 1, 1));
        assert_eq!(of(8, 5, 2), (4, 1, 2));
        assert_eq!(of(5, 5, 2), (3, 2, 2));
        assert_eq!(of(1, 3, 2), (1, 1, 1));
        assert_eq!(of(4, 1, 2), (2, 0, 0));
    }
}
