//! How many numbers a training pass of a vision transformer keeps.

use super::VitConfig;
use crate::PieceSize;

impl VitConfig {
    /// How many numbers a training pass keeps for its gradients, for one image: a measure of the memory that the pass takes.
    pub fn activations(&self) -> usize {
        self.piece_sizes().iter().map(|piece| piece.inside).sum()
    }

    /// The pieces that a [`CheckpointedPass`](crate::CheckpointedPass) is made in, without the head, which holds next to
    /// nothing.
    pub fn piece_sizes(&self) -> Vec<PieceSize> {
        let output = self.tokens() * self.dim;
        // The convolution needs the images alone, and adding positions needs nothing.
        let patches = PieceSize { inside: 0, output };
        let block = PieceSize { inside: self.of_a_block(), output };
        std::iter::once(patches).chain(std::iter::repeat_n(block, self.depth)).collect()
    }

    /// Tokens of an image: the class token and the patches.
    fn tokens(&self) -> usize {
        let [rows, columns] = self.grid();
        1 + rows * columns
    }

    /// What a block keeps, in the order in which it is computed.
    fn of_a_block(&self) -> usize {
        let (tokens, values) = (self.tokens(), self.tokens() * self.dim);
        // What was centred, normalised, and scaled; a variance and a deviation per token.
        let norm = 3 * values + 2 * tokens;
        // Each a copy out of what the linear layer gives.
        let queries_keys_values = 3 * values;
        // Scores less the largest, their powers, those over their sum, and the sum.
        let weights = self.heads * (3 * tokens * tokens + tokens);
        let mixed = values;
        // What `fc1` gives, the same over the root of two, its phi, and the product of both.
        let hidden = 4 * self.mlp_ratio * values;
        // Residual sums are needed by no gradient.
        2 * norm + queries_keys_values + weights + mixed + hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_of_one_image() {
        let (tokens, values) = (129, 129 * 384);
        let block = 26 * values + 4 * tokens + 6 * (3 * tokens * tokens + tokens);
        let small = VitConfig::small16();
        assert_eq!(small.activations(), 12 * block);
        let pieces = small.piece_sizes();
        assert_eq!((pieces.len(), pieces[0]), (13, PieceSize { inside: 0, output: values }));
        assert_eq!(pieces[12], PieceSize { inside: block, output: values });
        // Patches that overlap are more.
        assert_eq!(small.with_stride(12).piece_sizes()[0].output, (1 + 21 * 10) * 384);
    }
}
