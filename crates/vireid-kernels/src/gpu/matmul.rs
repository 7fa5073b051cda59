//! Matrix products without tensor cores, whose factors keep all digits.

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level;
use cubek::matmul::strategy::Strategy;
use cubek::std::InputBinding;

use super::layout::{element, empty};
use super::{Values, is_tried};

/// Nothing where there is no such kernel for the matrices.
pub(super) fn run(lhs: Values, rhs: Values) -> Option<Values> {
    let ([rows, inner], [_, columns]) = (lhs.shape().dims(), rhs.shape().dims());
    if !is_tried(&lhs) || lhs.dtype() != DType::F32 || rhs.dtype() != DType::F32 || rows * inner * columns == 0 {
        return None;
    }
    let element = element(DType::F32)?;
    let mut elements = MatmulElems::from_globals(&MatmulGlobalElems { lhs: element, rhs: element, out: element });
    let (client, out) = (lhs.client.clone(), empty(&lhs, &[rows, columns], DType::F32));
    let [lhs, rhs] = [lhs, rhs].map(|tensor| InputBinding::new(tensor.binding(), element));
    let strategy = Strategy::MultiLevel(multi_level::Strategy::SimpleUnit(Default::default()));
    launch_ref(&strategy, &client, lhs, rhs, out.clone().binding(), &mut elements).ok()?;
    Some(out)
}
