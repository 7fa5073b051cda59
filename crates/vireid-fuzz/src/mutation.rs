//! Damage as files meet it, drawn from a seeded stream: the same copies on every machine.

use vireid_core::Stream;

/// Values at the edges of what a length or a count can be.
const EDGES: [u64; 9] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];

/// A damaged copy of a file; parts of `other` may get into it.
pub fn damaged(file: &[u8], other: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=stream.below(4) {
        damage(&mut bytes, other, stream);
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    // Every kind needs at least one byte to work on.
    if bytes.is_empty() {
        bytes.push(stream.next_u64() as u8);
        return;
    }
    let (start, end) = span(bytes.len(), stream);
    match stream.below(7) {
        0 => bytes[start] ^= 1 << stream.below(8),
        1 => bytes[start] = stream.next_u64() as u8,
        2 => {
            let edge = EDGES[stream.below(EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][stream.below(4)];
            let room = width.min(bytes.len() - start);
            bytes[start..start + room].copy_from_slice(&edge[..room]);
        }
        3 => bytes.truncate(start),
        4 => _ = bytes.drain(start..end),
        5 => {
            let copy = bytes[start..end].to_vec();
            bytes.splice(start..start, copy);
        }
        _ if other.is_empty() => bytes.reverse(),
        _ => {
            let (from, to) = span(other.len(), stream);
            bytes.splice(start..end, other[from..to].iter().copied());
        }
    }
}

/// Some stretch of at least one byte, short ones more often.
fn span(length: usize, stream: &mut Stream) -> (usize, usize) {
    let start = stream.below(length);
    let longest = if stream.chance(0.5) { 8 } else { length };
    (start, (start + 1 + stream.below(longest)).min(length))
}

#[cfg(test)]
mod tests {
    use vireid_core::Streams;

    use super::*;

    #[test]
    fn damage_is_the_same_at_every_run_and_seldom_nothing() {
        let file: Vec<u8> = (0..100).collect();
        let copies = || -> Vec<Vec<u8>> {
            (0..200).map(|n| damaged(&file, b"other", &mut Streams::new(1).stream("damage", [n, 0, 0]))).collect()
        };
        assert_eq!(copies(), copies());
        assert!(copies().iter().filter(|copy| **copy == file).count() < 10);
        assert!(damaged(&[], &[], &mut Streams::new(1).stream("damage", [0; 3])).len() < 100);
    }
}
