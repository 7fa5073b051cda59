//! The log of a run that went back. A run that was killed goes on from its last checkpoint, and repeats what the log tells
//! already.

use serde_json::Value;

use crate::{Evaluation, Position};

/// The place in a run that it goes on from.
#[derive(Debug, Clone)]
pub(crate) struct GoesOn {
    pub position: Position,
    /// Whether the epoch of the position has its labels already.
    pub prepared: bool,
    /// The tests that its checkpoint remembers; any other is repeated.
    pub evaluations: Vec<Evaluation>,
}

impl GoesOn {
    /// Whether the run will do again what an event tells.
    pub fn repeats(&self, event: &Value) -> bool {
        let number = |key: &str| event[key].as_u64().map(|number| number as usize);
        match event["event"].as_str() {
            Some("evaluation") => !self
                .evaluations
                .iter()
                .any(|known| event["moment"] == *known.moment && number("epochs") == Some(known.epochs)),
            _ => is_behind(event, self.position, self.prepared),
        }
    }
}

/// Whether an event, not a test, happened at a position or after it. With `prepared`, labels of the position's epoch are
/// from before.
fn is_behind(event: &Value, at: Position, prepared: bool) -> bool {
    let number = |key: &str| event[key].as_u64().map(|number| number as usize);
    let Some(epoch) = number("epoch").or(number("first_epoch")) else { return false };
    match event["event"].as_str() {
        Some("step") => (epoch, number("step").unwrap_or(0)) >= (at.epoch, at.step),
        Some("interrupted") => (epoch, number("step").unwrap_or(0)) > (at.epoch, at.step),
        Some("clusters") => epoch >= at.epoch + usize::from(prepared),
        Some("epoch") => epoch >= at.epoch,
        Some("stage") => begins(event).is_some_and(|begins| (begins.epoch, begins.step) >= (at.epoch, at.step)),
        _ => false,
    }
}

/// Where a stage begins, or goes on after a resume.
fn begins(stage: &Value) -> Option<Position> {
    let number = |key: &str| stage[key].as_u64().map(|number| number as usize);
    let (first, steps, done) = (number("first_epoch")?, number("steps")?.max(1), number("done")?);
    Some(Position { epoch: first + done / steps, step: done % steps })
}

/// The events of a log, each as parsed JSON, without those that the run repeated later.
///
/// Runs cut their log when they go on; a log that an older version wrote has such steps, epochs and tests twice.
pub fn without_repeated(events: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::with_capacity(events.len());
    for event in events {
        match event["event"].as_str() {
            Some("stage") => {
                if let Some(at) = begins(&event) {
                    let is_late =
                        |test: &Value| test["epochs"].as_u64().is_some_and(|epochs| epochs as usize > at.epoch);
                    kept.retain(|earlier| match earlier["event"].as_str() {
                        Some("stage" | "interrupted") => true,
                        Some("evaluation") => !is_late(earlier),
                        // The labels of the stage's first epoch stand before it.
                        _ => !is_behind(earlier, at, true),
                    });
                }
            }
            Some(kind @ ("clusters" | "evaluation")) => {
                let same = |earlier: &Value| {
                    earlier["event"] == kind
                        && ["epoch", "epochs", "moment"].iter().all(|key| earlier[*key] == event[*key])
                };
                kept.retain(|earlier| !same(earlier));
            }
            _ => {}
        }
        kept.push(event);
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(epoch: usize, step: usize) -> Value {
        json!({"event": "step", "epoch": epoch, "step": step})
    }

    fn epoch(epoch: usize) -> Vec<Value> {
        let clusters = json!({"event": "clusters", "epoch": epoch});
        let test = json!({"event": "evaluation", "moment": format!("epoch {}", epoch + 1), "epochs": epoch + 1});
        vec![clusters, step(epoch, 0), step(epoch, 1), json!({"event": "epoch", "epoch": epoch}), test]
    }

    fn stage(done: usize) -> Value {
        json!({"event": "stage", "first_epoch": 0, "epochs": 3, "steps": 2, "done": done})
    }

    fn untrained() -> Value {
        json!({"event": "evaluation", "moment": "untrained", "epochs": 0})
    }

    fn remembers(moments: &[(&str, usize)]) -> Vec<Evaluation> {
        let of = |(moment, epochs): &(&str, usize)| Evaluation {
            moment: moment.to_string(),
            epochs: *epochs,
            scores: Vec::new(),
            seen_people: None,
        };
        moments.iter().map(of).collect()
    }

    #[test]
    fn what_stands_behind_a_checkpoint_is_done_again() {
        let log = [vec![untrained(), epoch(0)[0].clone(), stage(0)], epoch(0)[1..].to_vec(), epoch(1)].concat();
        let kept = |at: GoesOn| log.iter().filter(|event| !at.repeats(event)).count();
        let (position, prepared) = (Position { epoch: 1, step: 0 }, false);
        let evaluations = remembers(&[("untrained", 0), ("epoch 1", 1)]);
        assert_eq!(kept(GoesOn { position, prepared, evaluations }), 7, "all of epoch 0, nothing of epoch 1");
        let (position, prepared) = (Position { epoch: 1, step: 1 }, true);
        let evaluations = remembers(&[("untrained", 0), ("epoch 1", 1)]);
        assert_eq!(kept(GoesOn { position, prepared, evaluations }), 9, "and the labels and first step of epoch 1");
        let start = GoesOn { position: Position::default(), prepared: false, evaluations: Vec::new() };
        assert_eq!(kept(start), 0, "a run that starts over");
    }

    /// A run that went on twice, once without having got as far as before, logged as older versions did.
    #[test]
    fn readers_see_every_step_once() {
        let first = [vec![untrained(), epoch(0)[0].clone(), stage(0)], epoch(0)[1..].to_vec(), epoch(1)].concat();
        let second = [vec![epoch(1)[0].clone(), stage(2)], epoch(1)[1..3].to_vec()].concat();
        let third = [vec![epoch(1)[0].clone(), stage(2)], epoch(1)[1..].to_vec(), epoch(2)].concat();
        let events = without_repeated([first.clone(), second, third].concat());
        let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
        assert_eq!((of("step"), of("epoch"), of("clusters"), of("evaluation")), (6, 3, 3, 4));
        assert_eq!(without_repeated(first.clone()), first, "a log of one session stays as it is");
    }
}
