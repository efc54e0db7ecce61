//! Tests of joining takes, and of a whole training on tones that stand for words.
