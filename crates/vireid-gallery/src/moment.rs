//! Points in time, and how they are written.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, to the millisecond. As text it is RFC 3339: written `2026-03-01T12:30:00.250Z`, read with any zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// Milliseconds since 1970 of the last moment of the year 9999, and of the first of the year 0: what RFC 3339 can write.
const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

impl Moment {
    /// So many milliseconds after the beginning of 1970, in UTC; `None` outside of the years 0 to 9999.
    pub fn from_milliseconds(milliseconds: i64) -> Option<Self> {
        RANGE.contains(&milliseconds).then_some(Self(milliseconds))
    }

    /// Milliseconds since the beginning of 1970, in UTC.
    pub fn milliseconds(self) -> i64 {
        self.0
    }

    /// Of the system's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let clamp = |milliseconds: u128| i64::try_from(milliseconds).unwrap_or(i64::MAX);
        let signed = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => clamp(after.as_millis()),
            Err(before) => -clamp(before.duration().as_millis()),
        };
        Self(signed.clamp(*RANGE.start(), *RANGE.end()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Within the range of the years 0 to 9999 there always is one.
        let time = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("'{text}' is not a time such as 2026-03-01T12:30:00Z or 2026-03-01T13:30:00.250+01:00");
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| form())?;
        Self::from_milliseconds(time.timestamp_millis()).ok_or_else(form)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_any_zone_and_written_in_utc() {
        let read = |text: &str| text.parse::<Moment>();
        assert_eq!(read("1970-01-01T00:00:01.250Z").unwrap().milliseconds(), 1250);
        assert_eq!(read("2026-03-01T13:30:00+01:00").unwrap().to_string(), "2026-03-01T12:30:00.000Z");
        for wrong in ["", "2026-03-01", "2026-03-01T12:30:00", "2026-13-01T12:30:00Z", "12:30"] {
            assert!(read(wrong).unwrap_err().contains("is not a time"), "{wrong}");
        }
        let json = serde_json::to_string(&read("2026-03-01T12:30:00Z").unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Moment>(&json).unwrap().to_string(), "2026-03-01T12:30:00.000Z");
    }

    #[test]
    fn every_moment_that_there_is_can_be_written_and_read_again() {
        for milliseconds in [*RANGE.start(), -1, 0, *RANGE.end()] {
            let moment = Moment::from_milliseconds(milliseconds).unwrap();
            assert_eq!(moment.to_string().parse::<Moment>().unwrap(), moment);
        }
        assert_eq!(Moment::from_milliseconds(*RANGE.end() + 1), None);
        assert_eq!(Moment::from_milliseconds(i64::MIN), None);
    }
}
