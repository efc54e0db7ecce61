//! Tests of whole rendered units.
